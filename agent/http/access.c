/* SPDX-License-Identifier: Apache-2.0
 * Who may ask: the Host header (against DNS rebinding) and the credentials. */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "agent/http/parse.h"

/* Copies the name out of "name", "name:port", "[v6]" or "[v6]:port", brackets removed. False:
 * none of these, or longer than any address. */
static bool host_name(struct pa_http_text host, char *name, size_t size)
{
	const char *end = host.s + host.len, *from = host.s, *to;

	if (host.len && *from == '[') {
		to = memchr(++from, ']', host.len - 1);
		if (!to || (to + 1 < end && to[1] != ':'))
			return false;
	} else {
		to = host.len ? memchr(from, ':', host.len) : NULL;
		if (!to)
			to = end;
	}
	if ((size_t)(to - from) >= size)
		return false;
	memcpy(name, from, (size_t)(to - from));
	name[to - from] = '\0';
	return true;
}

static bool same_address(const char *name, const char *bound)
{
	struct in6_addr a6, b6;
	struct in_addr a4, b4;

	if (inet_pton(AF_INET, name, &a4) == 1 && inet_pton(AF_INET, bound, &b4) == 1)
		return a4.s_addr == b4.s_addr;
	if (inet_pton(AF_INET6, name, &a6) == 1 && inet_pton(AF_INET6, bound, &b6) == 1)
		return !memcmp(&a6, &b6, sizeof(a6));
	return false;
}

bool pa_http_host_is_local(struct pa_http_text host, const char *bound)
{
	char name[INET6_ADDRSTRLEN + 4];
	struct in_addr v4;

	if (!host.len)
		return true;
	if (!host_name(host, name, sizeof(name)))
		return false;
	if (!strcasecmp(name, "localhost") || !strcasecmp(name, "localhost."))
		return true;
	if (inet_pton(AF_INET, name, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127)
		return true;
	return same_address(name, "::1") || same_address(name, bound);
}

/* Compares without telling by its duration where the first difference is. */
static bool same_secret(const char *given, size_t given_len, const char *secret)
{
	size_t len = strlen(secret);
	volatile unsigned char diff = given_len != len;

	for (size_t i = 0; i < given_len; i++)
		diff |= (unsigned char)(given[i] ^ secret[len ? i % len : 0]);
	return !diff;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

#define BASIC_MAX 1024 /* decoded "user:password" */

/* Decoded length, or -1: not base64 or longer than `size`. */
static ptrdiff_t base64_decode(struct pa_http_text in, char *out, size_t size)
{
	unsigned bits = 0, word = 0;
	size_t n = 0;

	while (in.len && in.s[in.len - 1] == '=')
		in.len--;
	for (size_t i = 0; i < in.len; i++) {
		int v = base64_value(in.s[i]);

		if (v < 0)
			return -1;
		word = (word << 6 | (unsigned)v) & 0xffff;
		bits += 6;
		if (bits < 8)
			continue;
		if (n == size)
			return -1;
		bits -= 8;
		out[n++] = (char)(word >> bits);
	}
	return (ptrdiff_t)n;
}

/* A token is taken as a password too, under any user name: go tool pprof and many scrapers can
 * send nothing else. */
static bool basic_ok(struct pa_http_text value, const char *user, const char *password,
		     const char *token)
{
	char plain[BASIC_MAX];
	ptrdiff_t len = base64_decode(value, plain, sizeof(plain));
	const char *colon = len > 0 ? memchr(plain, ':', (size_t)len) : NULL;
	size_t user_len, word_len;
	bool user_ok, password_ok, token_ok;

	if (!colon)
		return false;
	user_len = (size_t)(colon - plain);
	word_len = (size_t)len - user_len - 1;
	user_ok = same_secret(plain, user_len, user) || !*user;
	password_ok = same_secret(colon + 1, word_len, password) && *password;
	token_ok = same_secret(colon + 1, word_len, token) && *token;
	return (user_ok & password_ok) | token_ok;
}

static bool scheme_is(struct pa_http_text *value, const char *scheme)
{
	size_t n = strlen(scheme);

	if (value->len <= n || strncasecmp(value->s, scheme, n) || value->s[n] != ' ')
		return false;
	value->s += n;
	value->len -= n;
	while (value->len && *value->s == ' ')
		value->s++, value->len--;
	return true;
}

bool pa_http_auth_ok(struct pa_http_text authorization, const char *user, const char *password,
		     const char *token)
{
	if (!*password && !*token)
		return true;
	if (scheme_is(&authorization, "basic"))
		return basic_ok(authorization, user, password, token);
	if (scheme_is(&authorization, "bearer"))
		return same_secret(authorization.s, authorization.len, token) && *token;
	return false;
}
