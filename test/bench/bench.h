/* SPDX-License-Identifier: Apache-2.0
 * For the benchmark programs: clocks, numbers from the command line. */
#ifndef PA_TEST_BENCH_H
#define PA_TEST_BENCH_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NOINLINE __attribute__((noinline))

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void sleep_ms(long ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/* Until an agent in this process has done what it does at its start. */
static inline void settle(void)
{
	sleep_ms(150);
}

/* Ends the program when text is no number in [1, max]. */
static inline long number(const char *text, long max)
{
	char *end;
	long n = text ? strtol(text, &end, 10) : 0;

	if (!text || *end || n < 1 || n > max) {
		fprintf(stderr, "'%s' is no number from 1 to %ld\n", text ? text : "", max);
		exit(2);
	}
	return n;
}

#endif
