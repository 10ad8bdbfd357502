/* SPDX-License-Identifier: Apache-2.0
 * Request targets: their parts, the clean path, and how a path goes back into a Location header. */
#include <string.h>
#include <strings.h>

#include "agent/http/parse.h"

/* Go refuses control characters anywhere in a URL. Spaces cannot get here. */
static bool has_control(struct pa_http_text t)
{
	for (size_t i = 0; i < t.len; i++)
		if ((unsigned char)t.s[i] <= 0x20 || t.s[i] == 0x7f)
			return true;
	return false;
}

static bool is_hex(char c)
{
	return c && strchr("0123456789abcdefABCDEF", c);
}

/* %00 would end our strings in the middle, and no name has one. */
static bool escapes_are_good(struct pa_http_text path)
{
	for (size_t i = 0; i < path.len; i++) {
		if (path.s[i] != '%')
			continue;
		if (path.len - i < 3 || !is_hex(path.s[i + 1]) || !is_hex(path.s[i + 2]) ||
		    (path.s[i + 1] == '0' && path.s[i + 2] == '0'))
			return false;
	}
	return true;
}

/* Moves "http://user@host:1" out of *rest into ret->authority. False: *rest has no scheme. */
static bool take_authority(struct pa_http_text *rest, struct pa_http_target *ret)
{
	static const char *const schemes[] = {"http://", "https://"};

	for (size_t i = 0; i < PA_ARRAY_LEN(schemes); i++) {
		size_t n = strlen(schemes[i]), end;
		const char *at;

		if (rest->len < n || strncasecmp(rest->s, schemes[i], n))
			continue;
		for (end = n; end < rest->len && !strchr("/?", rest->s[end]); end++)
			;
		at = memrchr(rest->s + n, '@', end - n);
		ret->authority.s = at ? at + 1 : rest->s + n;
		ret->authority.len = (size_t)(rest->s + end - ret->authority.s);
		rest->s += end;
		rest->len -= end;
		return true;
	}
	return false;
}

bool pa_http_target_split(struct pa_http_text target, bool connect, struct pa_http_target *ret)
{
	struct pa_http_target t = {.path = {"", 0}, .query = {"", 0}};
	struct pa_http_text rest = target;
	const char *mark;

	if (!rest.len || has_control(rest))
		return false;
	if (rest.len == 1 && *rest.s == '*') {
		t.asterisk = true;
		*ret = t;
		return true;
	}
	if (*rest.s != '/' && !take_authority(&rest, &t)) {
		if (!connect)
			return false;
		t.authority = rest;
		rest.len = 0;
	}
	mark = rest.len ? memchr(rest.s, '?', rest.len) : NULL;
	if (mark) {
		t.query = (struct pa_http_text){mark + 1, rest.len - (size_t)(mark + 1 - rest.s)};
		rest.len = (size_t)(mark - rest.s);
	}
	if (rest.len)
		t.path = rest;
	if (!escapes_are_good(t.path))
		return false;
	*ret = t;
	return true;
}

/* Drops the last element of out[0..len), which begins with a slash; the root stays. */
static size_t drop_element(const char *out, size_t len)
{
	while (len && out[--len] != '/')
		;
	return len;
}

size_t pa_http_path_clean(struct pa_http_text path, char *out)
{
	size_t n = 0, i = 0;
	bool slash = !path.len || path.s[path.len - 1] == '/';

	while (i < path.len) {
		size_t start, len;

		while (i < path.len && path.s[i] == '/')
			i++;
		for (start = i; i < path.len && path.s[i] != '/'; i++)
			;
		len = i - start;
		if (!len || (len == 1 && path.s[start] == '.'))
			continue;
		if (len == 2 && path.s[start] == '.' && path.s[start + 1] == '.') {
			n = drop_element(out, n);
			continue;
		}
		out[n++] = '/';
		memcpy(out + n, path.s + start, len);
		n += len;
	}
	if (slash || !n)
		out[n++] = '/';
	out[n] = '\0';
	return n;
}

const char *pa_http_prefix_match(const char *path, const char *prefix)
{
	for (; *prefix; prefix++) {
		size_t width = *path == '%' ? strnlen(path, 3) : 1;
		char c[4]; /* a whole escape gives one character, half of one fails */

		if (!*path || pa_http_unescape(path, width, false, c) != 1 || *c != *prefix)
			return NULL;
		if (width > 1 && *c == '/')
			return NULL;
		path += width;
	}
	return !*path || *path == '/' ? path : NULL;
}

struct out {
	char *buf;
	size_t size, len;
};

static struct out out_begin(char *buf, size_t size)
{
	if (size)
		*buf = '\0';
	return (struct out){buf, size, 0};
}

static void put(struct out *o, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++, o->len++)
		if (o->len + 1 < o->size)
			o->buf[o->len] = s[i];
	if (o->size)
		o->buf[PA_MIN(o->len, o->size - 1)] = '\0';
}

static void put_escaped(struct out *o, char c)
{
	static const char hex[] = "0123456789ABCDEF";
	const char text[3] = {'%', hex[(unsigned char)c >> 4], hex[c & 0xf]};

	put(o, text, sizeof(text));
}

size_t pa_http_location(char *buf, size_t size, const char *path, const char *query)
{
	struct out o = out_begin(buf, size);

	for (; *path; path++) {
		/* Anything else would be escaped by Go's url.URL.String. */
		if ((unsigned char)*path >= 0x80 || strchr("\"<>\\^`{|}", *path))
			put_escaped(&o, *path);
		else
			put(&o, path, 1);
	}
	if (query) {
		put(&o, "?", 1);
		for (; *query; query++) {
			if ((unsigned char)*query >= 0x80)
				put_escaped(&o, *query);
			else
				put(&o, query, 1);
		}
	}
	return o.len;
}

size_t pa_http_html_escape(char *buf, size_t size, const char *s)
{
	struct out o = out_begin(buf, size);

	for (; *s; s++) {
		const char *as = *s == '&'    ? "&amp;"
				 : *s == '<'  ? "&lt;"
				 : *s == '>'  ? "&gt;"
				 : *s == '"'  ? "&#34;"
				 : *s == '\'' ? "&#39;"
					      : NULL;

		put(&o, as ? as : s, as ? strlen(as) : 1);
	}
	return o.len;
}
