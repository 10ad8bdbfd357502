/* SPDX-License-Identifier: Apache-2.0
 * Numbers and switches from text that need not be terminated. */
#include <errno.h>
#include <string.h>

#include "agent/base/parse.h"

/* Value of a digit, or base and more when it is none. */
static unsigned digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 10;
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A') + 10;
	return 255;
}

/* Reads digits; returns how many. *overflow is set, never cleared. */
static size_t read_digits(const char *s, size_t len, unsigned base, uint64_t *ret, bool *overflow)
{
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned d = digit(s[i]);

		if (d >= base)
			break;
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, d, &value))
			*overflow = true;
	}
	*ret = value;
	return i;
}

int pa_parse_u64(const char *s, size_t len, unsigned base, uint64_t *ret)
{
	bool overflow = false;
	uint64_t value;

	if (!len || read_digits(s, len, base, &value, &overflow) != len)
		return -EINVAL;
	if (overflow)
		return -ERANGE;
	*ret = value;
	return 0;
}

int pa_parse_i64(const char *s, size_t len, int64_t *ret)
{
	bool negative = len && *s == '-';
	size_t sign = negative || (len && *s == '+');
	uint64_t value;
	int r = pa_parse_u64(s + sign, len - sign, 10, &value);

	if (r < 0)
		return r;
	if (value > (uint64_t)INT64_MAX + negative)
		return -ERANGE;
	*ret = (int64_t)(negative ? -value : value);
	return 0;
}

/* Binary shift that a unit letter stands for; 0: not a unit. */
static unsigned unit_shift(char c)
{
	switch (c) {
	case 'k':
	case 'K':
		return 10;
	case 'm':
	case 'M':
		return 20;
	case 'g':
	case 'G':
		return 30;
	default:
		return 0;
	}
}

int pa_parse_size(const char *s, size_t len, uint64_t *ret)
{
	unsigned shift = len ? unit_shift(s[len - 1]) : 0;
	uint64_t value;
	int r = pa_parse_u64(s, shift ? len - 1 : len, 10, &value);

	if (r < 0)
		return r;
	if (value > UINT64_MAX >> shift)
		return -ERANGE;
	*ret = value << shift;
	return 0;
}

static bool equals_ignoring_case(const char *s, size_t len, const char *lower)
{
	if (len != strlen(lower))
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] | 0x20) : s[i];

		if (c != lower[i])
			return false;
	}
	return true;
}

int pa_parse_bool(const char *s, size_t len, bool *ret)
{
	static const char words[][2][6] = {
		{"0", "1"}, {"f", "t"}, {"false", "true"}, {"no", "yes"}, {"off", "on"},
	};

	for (size_t i = 0; i < PA_ARRAY_LEN(words); i++) {
		for (int value = 0; value < 2; value++) {
			if (equals_ignoring_case(s, len, words[i][value])) {
				*ret = value;
				return 0;
			}
		}
	}
	return -EINVAL;
}

bool pa_scan_u64(const char **s, const char *end, unsigned base, uint64_t *ret)
{
	bool overflow = false;
	uint64_t value;
	size_t n = read_digits(*s, (size_t)(end - *s), base, &value, &overflow);

	if (!n || overflow)
		return false;
	*s += n;
	*ret = value;
	return true;
}
