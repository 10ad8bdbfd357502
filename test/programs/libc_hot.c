/* SPDX-License-Identifier: Apache-2.0
 * Spends its time in functions that libc chooses for the processor it runs on. Argument: seconds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SIZE (64u << 10)

static char from[SIZE + 1], to[SIZE + 1];

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The compiler shall not know what is called. */
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;
static void *(*volatile set)(void *, int, size_t) = memset;
static size_t (*volatile length)(const char *) = strlen;
static char *(*volatile find)(const char *, int) = strchr;
static int (*volatile compare)(const void *, const void *, size_t) = memcmp;

static __attribute__((noinline)) uintptr_t work(void)
{
	uintptr_t sum = 0;

	for (int i = 0; i < 20; i++) {
		set(to, 'x', SIZE);
		copy(to, from, SIZE);
		sum += length(from);
		sum += (uintptr_t)find(from, 'y');
		sum += (uintptr_t)compare(from, to, SIZE);
	}
	return sum;
}

int main(int argc, char **argv)
{
	const double until = now() + (argc > 1 ? atof(argv[1]) : 1);
	uintptr_t sum = 0;

	memset(from, 'x', SIZE);
	while (now() < until)
		sum += work();
	return sum == 1;
}
