/* SPDX-License-Identifier: Apache-2.0
 * For programs that run once without and once with the agent, profiled all the time, and must
 * print the same and end the same way. */
#ifndef PA_TEST_HOST_H
#define PA_TEST_HOST_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, unused))

static inline uint64_t host_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Waits for a file that the test makes: profiles are being taken then. Goes on after a minute, so
 * that nothing is left over when the test was killed. */
static inline void host_wait_file(const char *variable)
{
	const char *path = getenv(variable);
	uint64_t until = host_clock(CLOCK_MONOTONIC) + 60000000000u;

	fflush(stdout);
	while (path && access(path, F_OK) && host_clock(CLOCK_MONOTONIC) < until)
		usleep(10000);
}

static volatile uint64_t host_sum;

NOINLINE static void host_spin(uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds; i++)
		host_sum += i;
}

/* Work is there to be sampled: without the agent a part of it will do. */
static inline unsigned host_ms(unsigned ms)
{
	return getenv("HOST_GO") ? ms : (ms + 7) / 8;
}

/* Uses that much CPU time of the calling thread, or the part. */
NOINLINE static void host_burn(unsigned ms)
{
	uint64_t until = host_clock(CLOCK_THREAD_CPUTIME_ID) + host_ms(ms) * 1000000ull;

	while (host_clock(CLOCK_THREAD_CPUTIME_ID) < until)
		host_spin(20000);
}

/* Uses the CPU until then. */
NOINLINE static void host_burn_until(uint64_t mono_ns)
{
	while (host_clock(CLOCK_MONOTONIC) < mono_ns)
		host_spin(20000);
}

__attribute__((unused)) static void host_die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(99);
}

#endif
