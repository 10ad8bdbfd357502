/* SPDX-License-Identifier: Apache-2.0
 * Request line and headers (RFC 9112). As strict as Go's server, and stricter where two readers
 * could disagree about where a request ends: folded lines and a body announced twice are refused. */
#include <string.h>
#include <strings.h>

#include "agent/base/parse.h"
#include "agent/http/parse.h"

size_t pa_http_head_find(const char *buf, size_t len, size_t *line)
{
	size_t at = *line;

	while (at < len) {
		const char *lf = memchr(buf + at, '\n', len - at);
		size_t next;

		if (!lf)
			break;
		next = (size_t)(lf - buf) + 1;
		if (next - at == 1 || (next - at == 2 && buf[at] == '\r'))
			return next;
		at = next;
	}
	*line = at;
	return 0;
}

/* Takes the next line off *rest, without its CR LF or LF. The head ends in one, so there is. */
static struct pa_http_text take_line(struct pa_http_text *rest)
{
	const char *lf = memchr(rest->s, '\n', rest->len);
	struct pa_http_text line = {rest->s, lf ? (size_t)(lf - rest->s) : rest->len};

	rest->s += lf ? line.len + 1 : line.len;
	rest->len -= lf ? line.len + 1 : line.len;
	if (line.len && line.s[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* tchar of RFC 9110, 5.6.2. */
static bool is_token_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct pa_http_text t)
{
	for (size_t i = 0; i < t.len; i++)
		if (!is_token_char((unsigned char)t.s[i]))
			return false;
	return t.len > 0;
}

static bool text_is(struct pa_http_text t, const char *want)
{
	return t.len == strlen(want) && !memcmp(t.s, want, t.len);
}

static bool text_is_nocase(struct pa_http_text t, const char *want)
{
	return t.len == strlen(want) && !strncasecmp(t.s, want, t.len);
}

/* Cuts at the first c; false when there is none. */
static bool cut(struct pa_http_text t, char c, struct pa_http_text *ret_before,
		struct pa_http_text *ret_after)
{
	const char *p = t.len ? memchr(t.s, c, t.len) : NULL;

	if (!p)
		return false;
	*ret_before = (struct pa_http_text){t.s, (size_t)(p - t.s)};
	*ret_after = (struct pa_http_text){p + 1, t.len - ret_before->len - 1};
	return true;
}

static struct pa_http_text trim(struct pa_http_text t)
{
	while (t.len && (*t.s == ' ' || *t.s == '\t'))
		t.s++, t.len--;
	while (t.len && (t.s[t.len - 1] == ' ' || t.s[t.len - 1] == '\t'))
		t.len--;
	return t;
}

static enum pa_http_method method_of(struct pa_http_text t)
{
	if (text_is(t, "GET"))
		return PA_HTTP_GET;
	if (text_is(t, "HEAD"))
		return PA_HTTP_HEAD;
	return text_is(t, "POST") ? PA_HTTP_POST : PA_HTTP_OTHER;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int parse_request_line(struct pa_http_text line, struct pa_http_head *h,
			      const char **ret_text)
{
	struct pa_http_text rest, version;

	if (!cut(line, ' ', &h->method_text, &rest) || !cut(rest, ' ', &h->target, &version) ||
	    !is_token(h->method_text))
		return 400;
	h->method = method_of(h->method_text);
	if (version.len != 8 || memcmp(version.s, "HTTP/", 5) || !is_digit(version.s[5]) ||
	    version.s[6] != '.' || !is_digit(version.s[7]))
		return 400;
	if (version.s[5] != '1') {
		*ret_text = "unsupported protocol version";
		return 505;
	}
	h->http11 = version.s[7] != '0';
	return 0;
}

static bool is_field_value(struct pa_http_text v)
{
	for (size_t i = 0; i < v.len; i++) {
		unsigned char c = (unsigned char)v.s[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* Characters that Go admits in a Host header (golang.org/x/net/http/httpguts). */
static bool is_host_value(struct pa_http_text v)
{
	for (size_t i = 0; i < v.len; i++) {
		unsigned char c = (unsigned char)v.s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(v.s[i]) ||
		      (c && strchr("!$%&()*+,-.:;=@[]'_~", c))))
			return false;
	}
	return true;
}

/* What the headers said, as far as it has to agree with itself. */
struct fields {
	bool has_host, has_length, has_encoding;
};

static int field_host(struct pa_http_head *h, struct fields *f, struct pa_http_text value,
		      const char **ret_text)
{
	if (f->has_host)
		return 400;
	if (!is_host_value(value)) {
		*ret_text = "malformed Host header";
		return 400;
	}
	f->has_host = true;
	h->host = value;
	return 0;
}

static int field_length(struct pa_http_head *h, struct fields *f, struct pa_http_text value)
{
	uint64_t length = 0;

	if (!value.len || !is_digit(value.s[0]) ||
	    pa_parse_u64(value.s, value.len, 10, &length) < 0 || length > INT64_MAX ||
	    (f->has_length && length != h->content_length))
		return 400;
	f->has_length = true;
	h->content_length = length;
	return 0;
}

/* Go supports one Transfer-Encoding header, "chunked", and ignores it in HTTP/1.0; there it is
 * refused here, because a proxy may have read it. */
static int field_encoding(struct pa_http_head *h, struct fields *f, struct pa_http_text value,
			  const char **ret_text)
{
	if (f->has_encoding || !text_is_nocase(value, "chunked")) {
		*ret_text = "Unsupported transfer encoding";
		return 501;
	}
	f->has_encoding = true;
	h->chunked = true;
	return h->http11 ? 0 : 400;
}

static void field_connection(struct pa_http_head *h, struct pa_http_text value)
{
	struct pa_http_text token, rest = value;

	do {
		struct pa_http_text list = rest;

		if (!cut(list, ',', &token, &rest)) {
			token = list;
			rest.len = 0;
		}
		token = trim(token);
		if (text_is_nocase(token, "close"))
			h->close = true;
		else if (text_is_nocase(token, "keep-alive"))
			h->keep_alive = true;
	} while (rest.len);
}

static int parse_field(struct pa_http_text line, struct pa_http_head *h, struct fields *f,
		       const char **ret_text)
{
	struct pa_http_text name, value;

	/* A line that begins with white space (a folded one) has no token in front of ':'. */
	if (!cut(line, ':', &name, &value) || !is_token(name) || !is_field_value(value))
		return 400;
	value = trim(value);
	if (text_is_nocase(name, "host"))
		return field_host(h, f, value, ret_text);
	if (text_is_nocase(name, "content-length"))
		return field_length(h, f, value);
	if (text_is_nocase(name, "transfer-encoding"))
		return field_encoding(h, f, value, ret_text);
	if (text_is_nocase(name, "connection")) {
		field_connection(h, value);
	} else if (text_is_nocase(name, "authorization")) {
		if (!h->authorization.s)
			h->authorization = value;
	} else if (text_is_nocase(name, "expect") && value.len) {
		if (!text_is_nocase(value, "100-continue"))
			return 417;
		h->expect_continue = true;
	}
	return 0;
}

int pa_http_head_parse(const char *buf, size_t len, struct pa_http_head *ret, const char **ret_text)
{
	struct pa_http_head h = {.method = PA_HTTP_OTHER};
	struct pa_http_text rest = {buf, len};
	struct fields f = {false, false, false};
	int status;

	*ret_text = NULL;
	status = parse_request_line(take_line(&rest), &h, ret_text);
	while (!status && rest.len) {
		struct pa_http_text line = take_line(&rest);

		if (line.len)
			status = parse_field(line, &h, &f, ret_text);
		else if (rest.len)
			status = 400; /* bytes behind the empty line are not head */
	}
	if (!status && f.has_length && f.has_encoding)
		status = 400;
	if (!status && h.http11 && !f.has_host && !text_is(h.method_text, "CONNECT")) {
		*ret_text = "missing required Host header";
		status = 400;
	}
	if (!status)
		*ret = h;
	return status;
}
