/* SPDX-License-Identifier: Apache-2.0
 * Bodies in chunks: every way to cut the bytes gives the same body, every malformed one is found. */
#include "test/tap.h"

#include "agent/http/parse.h"

enum end { MORE, DONE, BAD };

/* Feeds `len` bytes in pieces of `piece`; the body goes to out (NUL-terminated). */
static enum end decode(const char *in, size_t len, size_t piece, char *out, size_t size,
		       size_t *ret_used)
{
	struct pa_http_chunked c = {0};
	size_t used = 0, n = 0;

	while (used < len && !c.done && !c.bad) {
		struct pa_http_text data;
		size_t part = PA_MIN(piece, len - used);

		used += pa_http_chunked_feed(&c, in + used, part, &data);
		if (n + data.len < size) {
			memcpy(out + n, data.s, data.len);
			n += data.len;
		}
	}
	out[n] = '\0';
	*ret_used = used;
	return c.bad ? BAD : c.done ? DONE : MORE;
}

static const struct {
	const char *name, *in, *body;
	enum end end;
} table[] = {
	{"empty", "0\r\n\r\n", "", DONE},
	{"one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello", DONE},
	{"two chunks", "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc", DONE},
	{"hexadecimal sizes", "00a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
	 "01234567890123456789", DONE},
	{"extensions", "1;a=b\r\nx\r\n1 ; c=\"d\"\r\ny\r\n0;e\r\n\r\n", "xy", DONE},
	{"trailers", "1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", "x", DONE},
	{"line ends as data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", DONE},
	{"unfinished", "5\r\nhel", "hel", MORE},
	{"unfinished end", "1\r\nx\r\n0\r\n\r", "x", MORE},
	{"no size", "\r\n", "", BAD},
	{"not a size", "x\r\n", "", BAD},
	{"negative", "-1\r\n", "", BAD},
	{"0x", "0x1\r\na\r\n", "", BAD},
	{"17 digits", "10000000000000000\r\n", "", BAD},
	{"bare LF behind a size", "1\nx\r\n0\r\n\r\n", "", BAD},
	{"bare LF in an extension", "1;\nx\r\n0\r\n\r\n", "", BAD},
	{"CR without LF", "1\rx", "", BAD},
	{"junk behind blanks", "1 x\r\n", "", BAD},
	{"chunk longer than said", "1\r\nxy\r\n", "x", BAD},
	{"bare LF behind data", "1\r\nx\n", "x", BAD},
	{"bare LF as trailer", "0\r\n\n", "", BAD},
	{"bare LF in a trailer", "0\r\nA: b\n\r\n", "", BAD},
};

static void check_table(void)
{
	for (size_t i = 0; i < PA_ARRAY_LEN(table); i++) {
		size_t len = strlen(table[i].in), used;
		bool same = true;
		char out[64];

		for (size_t piece = 1; piece <= len; piece++) {
			same &= decode(table[i].in, len, piece, out, sizeof(out), &used) ==
				table[i].end;
			same &= !strcmp(out, table[i].body);
			same &= table[i].end != DONE || used == len;
		}
		ok(same, "%s, in pieces of every size", table[i].name);
	}
}

static void check_limits(void)
{
	static char in[200000], out[60000];
	size_t n = 0, used;
	enum end end;

	for (int i = 0; i < 20000; i++)
		n += (size_t)sprintf(in + n, "1\r\nx\r\n");
	n += (size_t)sprintf(in + n, "0\r\n\r\n");
	end = decode(in, n, n, out, sizeof(out), &used);
	is_int(end, DONE, "one byte a chunk is legal");
	is_int(strlen(out), 20000, "... and complete");
	memset(in, 'a', sizeof(in));
	memcpy(in, "1;", 2);
	is_int(decode(in, sizeof(in), 1000, out, sizeof(out), &used), BAD, "endless extension");
	ok(used < 40000, "... is noticed early");
	memcpy(in, "0\r\n", 3);
	is_int(decode(in, sizeof(in), 1000, out, sizeof(out), &used), BAD, "endless trailer");
	n = 0;
	for (int i = 0; i < 5000; i++)
		n += (size_t)sprintf(in + n, "1;aaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n");
	is_int(decode(in, n, n, out, sizeof(out), &used), BAD, "many extensions, little data");
	is_int(decode("ffffffffffffffff\r\nabc", 21, 21, out, sizeof(out), &used), MORE,
	       "the largest size does not overflow");
	is_str(out, "abc", "... and its data comes through");
	is_int(decode("0\r\n\r\nGET /", 10, 10, out, sizeof(out), &used), DONE, "end of body");
	is_int(used, 5, "... leaves the next request alone");
}

int main(void)
{
	check_table();
	check_limits();
	return tap_done();
}
