/* SPDX-License-Identifier: Apache-2.0
 * Checks for unit tests, reported as TAP. A test program is its own process:
 *
 *	int main(void)
 *	{
 *		ok(1 + 1 == 2, "adds");
 *		is_int(f(3), 9, "f squares");
 *		return tap_done();
 *	}
 */
#ifndef PA_TEST_TAP_H
#define PA_TEST_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_run, tap_failed;

__attribute__((format(printf, 4, 5), unused)) static int tap_check(int good, const char *file,
								   int line, const char *fmt, ...)
{
	va_list ap;

	printf("%s %d - ", good ? "ok" : "not ok", ++tap_run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (!good) {
		tap_failed++;
		printf("# at %s:%d\n", file, line);
	}
	fflush(stdout);
	return good;
}

#define ok(cond, ...) tap_check(!!(cond), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, want, name)                                                                    \
	do {                                                                                       \
		long long g_ = (long long)(got), w_ = (long long)(want);                           \
		if (!tap_check(g_ == w_, __FILE__, __LINE__, "%s", name))                          \
			printf("# got %lld (0x%llx), want %lld (0x%llx)\n", g_, g_, w_, w_);       \
	} while (0)
#define is_str(got, want, name)                                                                    \
	do {                                                                                       \
		const char *g_ = (got), *w_ = (want);                                              \
		if (!tap_check(g_ && w_ && !strcmp(g_, w_), __FILE__, __LINE__, "%s", name))       \
			printf("# got  \"%s\"\n# want \"%s\"\n", g_ ? g_ : "(null)",               \
			       w_ ? w_ : "");                                                      \
	} while (0)

/* The whole program does not apply here: says why and exits with 2 for "skipped". */
__attribute__((unused, noreturn)) static void tap_skip_all(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	exit(2);
}

__attribute__((unused)) static int tap_done(void)
{
	printf("1..%d\n", tap_run);
	return tap_failed || !tap_run ? 1 : 0;
}

#endif
