/* SPDX-License-Identifier: Apache-2.0
 * The request head: what is accepted, what is refused with which status, and that it does not
 * matter how the bytes arrive. */
#include "test/tap.h"

#include "agent/http/parse.h"

#define GET "GET / HTTP/1.1\r\nHost: x\r\n"

static const struct {
	const char *name, *head;
	int status;
} table[] = {
	{"plain", GET "\r\n", 0},
	{"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 0},
	{"bare LF, as Go accepts it", "GET / HTTP/1.1\nHost: x\n\n", 0},
	{"later 1.x", "GET / HTTP/1.9\r\nHost: x\r\n\r\n", 0},
	{"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0},
	{"CONNECT without Host", "CONNECT a:1 HTTP/1.1\r\n\r\n", 0},
	{"bytes above ASCII in a value", GET "A: \xc3\xa9\r\n\r\n", 0},
	{"tab in a value", GET "A: b\tc\r\n\r\n", 0},
	{"same length twice", GET "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 0},
	{"chunked, any case", GET "Transfer-Encoding: CHUNKED\r\n\r\n", 0},
	{"expect", GET "Expect: 100-Continue\r\n\r\n", 0},

	{"empty line first", "\r\nGET / HTTP/1.0\r\n\r\n", 400},
	{"one word", "GET\r\n\r\n", 400},
	{"two words", "GET /\r\n\r\n", 400},
	{"four words", "GET / a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
	{"two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
	{"leading space", " GET / HTTP/1.0\r\n\r\n", 400},
	{"bad method", "G(T / HTTP/1.0\r\n\r\n", 400},
	{"bad version", "GET / HTTP/1.x\r\n\r\n", 400},
	{"long version", "GET / HTTP/1.10\r\nHost: x\r\n\r\n", 400},
	{"lower-case version", "GET / http/1.1\r\nHost: x\r\n\r\n", 400},
	{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\n", 505},
	{"HTTP/0.9", "GET / HTTP/0.9\r\n\r\n", 505},
	{"no Host in 1.1", "GET / HTTP/1.1\r\n\r\n", 400},
	{"two Hosts", GET "Host: y\r\n\r\n", 400},
	{"two equal Hosts", GET "Host: x\r\n\r\n", 400},
	{"space in Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
	{"slash in Host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
	{"header without colon", GET "Accept\r\n\r\n", 400},
	{"header without name", GET ": x\r\n\r\n", 400},
	{"space before colon", GET "A : x\r\n\r\n", 400},
	{"folded line", GET "A: x\r\n y\r\n\r\n", 400},
	{"folded first line", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400},
	{"control character", GET "A: \x01\r\n\r\n", 400},
	{"DEL", GET "A: \x7f\r\n\r\n", 400},
	{"CR inside a line", GET "A: b\rc\r\n\r\n", 400},
	{"length not a number", GET "Content-Length: x\r\n\r\n", 400},
	{"length empty", GET "Content-Length:\r\n\r\n", 400},
	{"length negative", GET "Content-Length: -1\r\n\r\n", 400},
	{"length with plus", GET "Content-Length: +1\r\n\r\n", 400},
	{"length list", GET "Content-Length: 1, 1\r\n\r\n", 400},
	{"length too large", GET "Content-Length: 9223372036854775808\r\n\r\n", 400},
	{"length overflows", GET "Content-Length: 18446744073709551617\r\n\r\n", 400},
	{"lengths differ", GET "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
	{"length and chunked", GET "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	{"chunked and length", GET "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 400},
	{"chunked in 1.0", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	{"other encoding", GET "Transfer-Encoding: gzip\r\n\r\n", 501},
	{"encoding list", GET "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
	{"encoding twice", GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	 501},
	{"other expectation", GET "Expect: tea\r\n\r\n", 417},
};

static bool text_is(struct pa_http_text t, const char *want)
{
	return t.len == strlen(want) && !memcmp(t.s, want, t.len);
}

/* Length of the head when its bytes come one by one. */
static size_t find_bytewise(const char *buf, size_t len)
{
	size_t line = 0, found = 0;

	for (size_t have = 0; have <= len && !found; have++)
		found = pa_http_head_find(buf, have, &line);
	return found;
}

static void check_table(void)
{
	for (size_t i = 0; i < PA_ARRAY_LEN(table); i++) {
		size_t len = strlen(table[i].head), line = 0;
		struct pa_http_head h;
		const char *why;

		if (*table[i].head != '\r') {
			is_int(pa_http_head_find(table[i].head, len, &line), len, table[i].name);
			is_int(find_bytewise(table[i].head, len), len, "... byte by byte");
		}
		is_int(pa_http_head_parse(table[i].head, len, &h, &why), table[i].status,
		       table[i].name);
	}
}

static void check_fields(void)
{
	static const char head[] = "POST /a?b HTTP/1.1\r\nhOST:\t h:1 \r\n"
				   "Connection: foo, Close\r\nConnection: keep-alive\r\n"
				   "Authorization: Basic x\r\nAuthorization: Bearer y\r\n"
				   "Content-Length: 42\r\nExpect: 100-continue\r\n\r\n";
	struct pa_http_head h;
	const char *why;

	is_int(pa_http_head_parse(head, strlen(head), &h, &why), 0, "parses");
	is_int(h.method, PA_HTTP_POST, "method");
	ok(text_is(h.method_text, "POST"), "method's text");
	ok(text_is(h.target, "/a?b"), "target");
	ok(text_is(h.host, "h:1"), "Host without the blanks around it");
	ok(h.close && h.keep_alive, "all tokens of all Connection headers");
	ok(text_is(h.authorization, "Basic x"), "the first Authorization");
	is_int(h.content_length, 42, "length");
	ok(h.http11 && h.expect_continue && !h.chunked, "version, expectation, encoding");
}

static void check_texts(void)
{
	struct pa_http_head h;
	const char *why;

	pa_http_head_parse("GET / HTTP/1.1\r\n\r\n", 18, &h, &why);
	is_str(why, "missing required Host header", "says what is missing");
	pa_http_head_parse("GET / HTTP/3.0\r\n\r\n", 18, &h, &why);
	is_str(why, "unsupported protocol version", "says that the version is not known");
}

/* Every byte of a request replaced by each of some nasty ones: no crash, and what is accepted has
 * no control character left in what is used. */
static void check_mutations(void)
{
	static const char head[] = "GET /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n";
	static const char nasty[] = {0, '\r', '\n', ' ', '\t', ':', (char)0xff, 0x7f};
	bool clean = true;

	for (size_t at = 0; at < strlen(head); at++) {
		for (size_t n = 0; n < sizeof(nasty); n++) {
			char copy[sizeof(head)];
			struct pa_http_head h;
			const char *why;
			size_t line = 0, len;

			memcpy(copy, head, sizeof(head));
			copy[at] = nasty[n];
			len = pa_http_head_find(copy, strlen(head), &line);
			if (!len || pa_http_head_parse(copy, len, &h, &why))
				continue;
			clean &= !h.host.len || !memchr(h.host.s, 0, h.host.len);
			clean &= !memchr(h.method_text.s, 0, h.method_text.len);
		}
	}
	ok(clean, "no NUL gets into a Host or method");
}

int main(void)
{
	char big[64];
	size_t line = 0;

	check_table();
	check_fields();
	check_texts();
	check_mutations();
	memset(big, 'a', sizeof(big));
	is_int(pa_http_head_find(big, sizeof(big), &line), 0, "no end yet");
	is_int(line, 0, "the first line is not over");
	is_int(pa_http_head_find("GET / HTTP/1.0\r\nA: b\r\n", 22, &line), 0, "headers go on");
	is_int(line, 22, "remembers where the next line begins");
	return tap_done();
}
