/* SPDX-License-Identifier: Apache-2.0
 * Suffixes of clones, as GCC 4.5 to 15, LLVM 6 to 20, BOLT and rustc write them, and the choice
 * between names. */
#include <string.h>

#include "agent/base/compiler.h"
#include "agent/symbols/name.h"

enum number { NEVER, MAYBE, ALWAYS };

/* What may stand between a dot and the end, or between a dot and ".NUMBER". The bodies of coroutines
 * (.actor, .resume, .destroy) are functions of their own, for debug information too. */
static const struct kind {
	const char *name;
	enum number number;
	bool prefix; /* more letters may follow */
} kinds[] = {
	{"cold", MAYBE, false},         /* unlikely blocks, moved away */
	{"part", ALWAYS, false},        /* what inlining of the rest has left */
	{"__part", ALWAYS, false},      /* basic block sections */
	{"constprop", ALWAYS, false},   /* for constant arguments */
	{"specialized", ALWAYS, false}, /* the same by LLVM */
	{"isra", ALWAYS, false},        /* for other arguments */
	{"clone", ALWAYS, false},       /* the same by GCC 4 */
	{"lto_priv", ALWAYS, false},    /* of static functions of equal name */
	{"llvm", ALWAYS, false},        /* the same by LLVM */
	{"__uniq", ALWAYS, false},      /* the same by -funique-internal-linkage-names */
	{"localalias", MAYBE, false},   /* for calls from the same file */
	{"cfi", NEVER, false},          /* behind a check of control flow */
	{"default", MAYBE, false},      /* for processors of one kind, and those below */
	{"arch_", MAYBE, true},         /* arch_x86_64_v3 */
	{"avx", MAYBE, true},           /* avx2, avx512f */
	{"sse", MAYBE, true},           /* sse4_2 */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Whether s[0..len) is a number; rustc writes that of .llvm with the digits up to F. */
static bool is_number(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(s[i]) && !(s[i] >= 'A' && s[i] <= 'F'))
			return false;
	}
	return len && (is_digit(s[0]) || len > 8);
}

static bool is_kind(const char *s, size_t len, bool number)
{
	for (size_t i = 0; i < PA_ARRAY_LEN(kinds); i++) {
		const struct kind *k = &kinds[i];
		const size_t have = strlen(k->name);

		if (len < have || (len > have && !k->prefix) || memcmp(s, k->name, have) != 0)
			continue;
		return number ? k->number != NEVER : k->number != ALWAYS;
	}
	return false;
}

/* Index of the last dot in s[0..len), 0 when there is none that a name stands before. */
static size_t last_dot(const char *s, size_t len)
{
	while (len && s[len - 1] != '.')
		len--;
	return len ? len - 1 : 0;
}

size_t pa_name_base(const char *linkage)
{
	size_t len = strlen(linkage);

	for (;;) {
		size_t dot = last_dot(linkage, len);
		size_t word = dot;
		bool number = dot && is_number(linkage + dot + 1, len - dot - 1);

		if (number)
			word = last_dot(linkage, dot);
		if (!word || !is_kind(linkage + word + 1, (number ? dot : len) - word - 1, number))
			return len;
		len = word;
	}
}

bool pa_name_better(const char *a, const char *b)
{
	const size_t a_under = strspn(a, "_"), b_under = strspn(b, "_");
	const size_t a_len = strlen(a), b_len = strlen(b);

	if (a_under != b_under)
		return a_under < b_under;
	return a_len != b_len ? a_len < b_len : strcmp(a, b) < 0;
}
