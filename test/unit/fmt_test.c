/* SPDX-License-Identifier: Apache-2.0
 * pa_fmt against snprintf wherever both know the conversion. */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/fmt.h"
#include "test/tap.h"

/* Both must agree on text and length, also when cut to every smaller size. */
#define SAME(...)                                                                                  \
	do {                                                                                       \
		char want[256], got[256];                                                          \
		size_t w = (size_t)snprintf(want, sizeof(want), __VA_ARGS__);                      \
		size_t g = pa_fmt(got, sizeof(got), __VA_ARGS__);                                  \
		bool cut = true;                                                                   \
                                                                                                   \
		is_str(got, want, #__VA_ARGS__);                                                   \
		for (size_t size = 1; size < w; size++) {                                          \
			char small[256];                                                           \
                                                                                                   \
			memset(small, 'Z', sizeof(small));                                         \
			cut = cut && pa_fmt(small, size, __VA_ARGS__) == w &&                      \
			      !memcmp(small, want, size - 1) && !small[size - 1] &&                \
			      small[size] == 'Z';                                                  \
		}                                                                                  \
		ok(g == w && cut, "length and cuts: %s", #__VA_ARGS__);                            \
	} while (0)

/* Without the attribute: formats that the compiler rightly warns about. */
static size_t (*volatile unchecked)(char *, size_t, const char *, ...) = pa_fmt;

static void test_unusual(void)
{
	static const char *const formats[] = {"a%nb", "a%5fb", "a%",   "a%-",  "a%5",
					      "a%.3", "a%ll",  "a%hd", "a%#x", "a%+d"};
	char got[64];

	for (size_t i = 0; i < PA_ARRAY_LEN(formats); i++) {
		unchecked(got, sizeof(got), formats[i]);
		is_str(got, formats[i], "an unknown conversion is copied");
	}
	is_int(unchecked(NULL, 0, "%99999999999999999999d|", 1), 4097, "widths are bounded");
	is_int(unchecked(NULL, 0, "%*d|", INT_MIN, 1), 4097, "also as arguments");
	unchecked(got, sizeof(got), "%s|%5.2s|", NULL, NULL);
	is_str(got, "(null)|   (n|", "NULL strings");
	unchecked(got, sizeof(got), "%-09d|%09s|", 5, "text");
	is_str(got, "5        |     text|", "zeros are for numbers, to the left");
}

static void test_numbers(void)
{
	SAME("%d %i", 0, -1);
	SAME("%d %d", INT_MAX, INT_MIN);
	SAME("%u %x", UINT_MAX, UINT_MAX);
	SAME("%ld %lu %lx", LONG_MIN, ULONG_MAX, ULONG_MAX);
	SAME("%lld %llu %llx", LLONG_MIN, ULLONG_MAX, 0xdeadbeefull);
	SAME("%zu %zx %zd", SIZE_MAX, SIZE_MAX, (ssize_t)-5);
	SAME("%jd %ju", INTMAX_MIN, UINTMAX_MAX);
	SAME("%" PRIu64 " %" PRIx64 " %" PRId64, UINT64_MAX, UINT64_MAX, INT64_MIN);
	SAME("[%5d|%-5d|%05d]", 42, 42, 42);
	SAME("[%5d|%-5d|%05d]", -42, -42, -42);
	SAME("[%2d|%-2d|%02d]", -12345, -12345, -12345);
	SAME("%02x%016lx", 7, 0xabcul);
	SAME("[%*d|%-*d|%*d]", 6, 1, 6, 2, -6, 3);
	SAME("%p", (void *)0x7ffc0123);
	SAME("[%20p|%-20p]", (void *)0x1234, (void *)0x1234);
}

static void test_text(void)
{
	static const char unterminated[3] = {'a', 'b', 'c'};

	SAME("plain");
	SAME("%s", "");
	SAME("%s and %s", "this", "that");
	SAME("[%10s|%-10s]", "right", "left");
	SAME("[%.3s|%.10s|%.0s]", "precision", "short", "none");
	SAME("[%8.2s|%-8.2s]", "both", "both");
	SAME("%.*s|", 3, unterminated);
	SAME("[%.*s]", -1, "negative precision");
	SAME("%c%c[%4c|%-4c]", 'x', 'y', 'z', 'z');
	SAME("100%% of %d%%", 5);
}

int main(void)
{
	char got[8] = "before";

	test_numbers();
	test_text();
	test_unusual();
	is_int(pa_fmt(NULL, 0, "%s-%d", "abc", 12), 6, "length without a buffer");
	is_int(pa_fmt(got, 0, "xyz"), 3, "size 0");
	is_str(got, "before", "touches nothing");
	is_int(pa_fmt(got, sizeof(got), "%c", 0), 1, "a NUL byte counts");
	return tap_done();
}
