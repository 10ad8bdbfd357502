/* SPDX-License-Identifier: Apache-2.0
 * Shell globs. At most length of glob times length of name steps: on a mismatch only the newest
 * star is tried one byte further, older ones can never do better. */
#include <stddef.h>

#include "agent/base/parse.h"

/* Whether c is in the set that starts behind '['. *ret_end is set behind its ']'; false with
 * *ret_end NULL when there is none: the bracket is an ordinary byte then. */
static bool set_contains(const char *set, const char *end, char c, const char **ret_end)
{
	bool negated = set < end && (*set == '!' || *set == '^');
	bool found = false;
	const char *first = set + negated;

	*ret_end = NULL;
	for (const char *s = first; s < end; s++) {
		unsigned char lo = (unsigned char)*s, hi = lo;

		if (lo == ']' && s > first) {
			*ret_end = s + 1;
			return found != negated;
		}
		if (end - s > 2 && s[1] == '-' && s[2] != ']') {
			hi = (unsigned char)s[2];
			s += 2;
		}
		found |= lo <= (unsigned char)c && (unsigned char)c <= hi;
	}
	return false;
}

/* Whether the element of the glob at g, not a star, matches c; *ret_next is behind it. */
static bool element_matches(const char *g, const char *end, char c, const char **ret_next)
{
	const char *set_end;
	bool in_set;

	*ret_next = g + 1;
	if (*g == '?')
		return true;
	if (*g != '[')
		return *g == c;
	in_set = set_contains(g + 1, end, c, &set_end);
	if (!set_end)
		return c == '[';
	*ret_next = set_end;
	return in_set;
}

bool pa_glob_match(const char *glob, size_t glob_len, const char *name)
{
	const char *g = glob, *end = glob + glob_len;
	const char *star = NULL, *star_name = NULL;

	while (*name) {
		const char *next;

		if (g < end && *g == '*') {
			star = ++g;
			star_name = name;
		} else if (g < end && element_matches(g, end, *name, &next)) {
			g = next;
			name++;
		} else if (star) {
			g = star;
			name = ++star_name;
		} else {
			return false;
		}
	}
	while (g < end && *g == '*')
		g++;
	return g == end;
}
