/* SPDX-License-Identifier: Apache-2.0
 * Query parameters by the rules of Go's url.ParseQuery. */
#include <string.h>

#include "agent/base/parse.h"
#include "agent/http/parse.h"

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes one character at s[0..len). Returns the bytes used, 0 for a bad escape. */
static size_t decode_char(const char *s, size_t len, bool plus, char *ret)
{
	if (*s != '%') {
		*ret = plus && *s == '+' ? ' ' : *s;
		return 1;
	}
	if (len < 3 || hex_value(s[1]) < 0 || hex_value(s[2]) < 0)
		return 0;
	*ret = (char)(hex_value(s[1]) << 4 | hex_value(s[2]));
	return 3;
}

ptrdiff_t pa_http_unescape(const char *s, size_t len, bool plus, char *out)
{
	size_t n = 0;

	while (len) {
		size_t used = decode_char(s, len, plus, &out[n]);

		if (!used)
			return -1;
		s += used;
		len -= used;
		n++;
	}
	out[n] = '\0';
	return (ptrdiff_t)n;
}

/* Whether the escaped key decodes to `want`; false too for a bad escape. */
static bool key_is(struct pa_http_text key, const char *want)
{
	while (key.len) {
		char c;
		size_t used = decode_char(key.s, key.len, true, &c);

		if (!used || !*want || c != *want++)
			return false;
		key.s += used;
		key.len -= used;
	}
	return !*want;
}

/* Decodes into buf, cut at size - 1. The full length, or -1 for a bad escape. */
static ptrdiff_t decode_value(struct pa_http_text value, char *buf, size_t size)
{
	size_t n = 0;

	while (value.len) {
		char c;
		size_t used = decode_char(value.s, value.len, true, &c);

		if (!used)
			return -1;
		if (n + 1 < size)
			buf[n] = c;
		n++;
		value.s += used;
		value.len -= used;
	}
	if (size)
		buf[n < size ? n : size - 1] = '\0';
	return (ptrdiff_t)n;
}

/* The length of the first good value of `key`; -1 when there is none, and buf is spoilt. */
static ptrdiff_t find_value(const char *query, const char *key, char *buf, size_t size)
{
	while (*query) {
		struct pa_http_text pair = {query, strcspn(query, "&")};
		struct pa_http_text value = {"", 0};
		const char *eq;
		ptrdiff_t n;

		query += pair.len + (query[pair.len] == '&');
		if (!pair.len || memchr(pair.s, ';', pair.len))
			continue;
		eq = memchr(pair.s, '=', pair.len);
		if (eq) {
			value.s = eq + 1;
			value.len = pair.len - (size_t)(eq + 1 - pair.s);
			pair.len = (size_t)(eq - pair.s);
		}
		if (!key_is(pair, key))
			continue;
		n = decode_value(value, buf, size);
		if (n >= 0)
			return n;
	}
	return -1;
}

bool pa_http_query(const struct pa_http_req *req, const char *key, char *buf, size_t size)
{
	return find_value(req->raw_query, key, buf, size) >= 0;
}

bool pa_http_query_int(const struct pa_http_req *req, const char *key, int64_t *ret)
{
	char value[64];
	ptrdiff_t n = find_value(req->raw_query, key, value, sizeof(value));

	return n > 0 && (size_t)n < sizeof(value) && pa_parse_i64(value, (size_t)n, ret) == 0;
}
