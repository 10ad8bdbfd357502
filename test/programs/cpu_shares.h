/* SPDX-License-Identifier: Apache-2.0
 * Four leaf functions that use known shares of the CPU (50, 30, 15, 5 %) at the bottom of a call
 * tree 40 levels deep, on the main thread and on others. What each leaf really used is measured
 * with the thread's CPU clock around every call, and printed as one JSON object at the end:
 *
 *	{"seconds": 4.0, "threads": 2, "cpu_ns": 7900000000, "leaf_a_ns": ..., "leaf_d_ns": ...}
 *
 * cpu_shares.c and cpu_shares.cc include this file and define level_40(), the step between the
 * deepest level and a leaf, which is where the variants differ. */
#ifndef PA_TEST_CPU_SHARES_H
#define PA_TEST_CPU_SHARES_H

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define NOINLINE    __attribute__((noinline, used))
#define THREADS_MAX 64

struct work {
	uint64_t random;     /* state of the thread's generator */
	uint64_t leaf_ns[4]; /* CPU time of each leaf */
	uint64_t end_ns;     /* CLOCK_MONOTONIC */
	volatile uint64_t sum;
};

static volatile sig_atomic_t stopping;

static void on_term(int signo)
{
	(void)signo;
	stopping = 1;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t next_random(struct work *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

/* Each leaf is a loop of its own without any call. The names are the contract with the test. */
#define LEAF(name, prime)                                                                          \
	NOINLINE uint64_t name(uint64_t rounds);                                                   \
	NOINLINE uint64_t name(uint64_t rounds)                                                    \
	{                                                                                          \
		uint64_t x = prime;                                                                \
                                                                                                   \
		for (uint64_t i = 0; i < rounds; i++)                                              \
			x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u + i;                             \
		return x;                                                                          \
	}

#ifdef __cplusplus
extern "C" {
#endif
LEAF(leaf_a, 3)
LEAF(leaf_b, 5)
LEAF(leaf_c, 7)
LEAF(leaf_d, 11)

/* Runs one leaf, chosen at random by its share, for a random time of about 0.1 to 0.7 ms, so that
 * no period of the work can beat with the sampling period. */
NOINLINE void run_leaf(struct work *w);
NOINLINE void run_leaf(struct work *w)
{
	static uint64_t (*const leaves[])(uint64_t) = {leaf_a, leaf_b, leaf_c, leaf_d};
	uint64_t choice = next_random(w) % 100, rounds = 50000 + next_random(w) % 300000;
	int leaf = choice < 50 ? 0 : choice < 80 ? 1 : choice < 95 ? 2 : 3;
	uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	w->sum += leaves[leaf](rounds);
	w->leaf_ns[leaf] += clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
}

NOINLINE void level_40(struct work *w);

/* Frames of different sizes; the write behind the call keeps it from being a tail call. */
#define LEVEL(n, next, words)                                                                      \
	NOINLINE void level_##n(struct work *w);                                                   \
	NOINLINE void level_##n(struct work *w)                                                    \
	{                                                                                          \
		volatile uint64_t local[words];                                                    \
                                                                                                   \
		local[0] = w->random;                                                              \
		level_##next(w);                                                                   \
		w->sum += local[0];                                                                \
	}

/* A frame whose size is known at run time only: its CFA hangs on the frame pointer. */
#define LEVEL_DYNAMIC(n, next)                                                                     \
	NOINLINE void level_##n(struct work *w);                                                   \
	NOINLINE void level_##n(struct work *w)                                                    \
	{                                                                                          \
		size_t bytes = 64 + w->random % 256;                                               \
		volatile char *local = (volatile char *)__builtin_alloca(bytes);                   \
                                                                                                   \
		local[bytes - 1] = 1;                                                              \
		level_##next(w);                                                                   \
		w->sum += (uint64_t)local[bytes - 1];                                              \
	}

LEVEL(39, 40, 1)
LEVEL(38, 39, 2)
LEVEL(37, 38, 30)
LEVEL(36, 37, 1)
LEVEL(35, 36, 5)
LEVEL_DYNAMIC(34, 35)
LEVEL(33, 34, 8)
LEVEL(32, 33, 1)
LEVEL(31, 32, 3)
LEVEL(30, 31, 17)
LEVEL(29, 30, 1)
LEVEL(28, 29, 2)
LEVEL_DYNAMIC(27, 28)
LEVEL(26, 27, 1)
LEVEL(25, 26, 64)
LEVEL(24, 25, 2)
LEVEL(23, 24, 1)
LEVEL(22, 23, 9)
LEVEL(21, 22, 4)
LEVEL_DYNAMIC(20, 21)
LEVEL(19, 20, 1)
LEVEL(18, 19, 2)
LEVEL(17, 18, 3)
LEVEL(16, 17, 40)
LEVEL(15, 16, 1)
LEVEL(14, 15, 2)
LEVEL(13, 14, 6)
LEVEL(12, 13, 1)
LEVEL_DYNAMIC(11, 12)
LEVEL(10, 11, 128)
LEVEL(09, 10, 1)
LEVEL(08, 09, 2)
LEVEL(07, 08, 11)
LEVEL(06, 07, 1)
LEVEL(05, 06, 3)
LEVEL(04, 05, 2)
LEVEL(03, 04, 1)
LEVEL(02, 03, 25)
LEVEL(01, 02, 1)

NOINLINE void *thread_start(void *arg);
NOINLINE void *thread_start(void *arg)
{
	struct work *w = (struct work *)arg;

	while (!stopping && clock_ns(CLOCK_MONOTONIC) < w->end_ns)
		level_01(w);
	return NULL;
}

/* The main thread's counterpart of thread_start. */
NOINLINE void main_work(struct work *w);
NOINLINE void main_work(struct work *w)
{
	thread_start(w);
	w->sum++;
}
#ifdef __cplusplus
}
#endif

static uint64_t process_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void print_result(const struct work *work, int count, double seconds)
{
	uint64_t leaf[4] = {0};

	for (int i = 0; i < count; i++)
		for (int j = 0; j < 4; j++)
			leaf[j] += work[i].leaf_ns[j];
	printf("{\"seconds\": %g, \"threads\": %d, \"cpu_ns\": %llu", seconds, count,
	       (unsigned long long)process_cpu_ns());
	for (int j = 0; j < 4; j++)
		printf(", \"leaf_%c_ns\": %llu", 'a' + j, (unsigned long long)leaf[j]);
	printf("}\n");
}

/* cpu_shares [SECONDS [THREADS]]: the main thread is one of THREADS. SIGTERM ends it early, with its
 * result. */
int main(int argc, char **argv)
{
	static struct work work[THREADS_MAX];
	pthread_t threads[THREADS_MAX];
	double seconds = argc > 1 ? atof(argv[1]) : 4;
	int count = argc > 2 ? atoi(argv[2]) : 2;

	if (seconds <= 0 || count < 1 || count > THREADS_MAX) {
		fprintf(stderr, "usage: cpu_shares [SECONDS [THREADS]]\n");
		return 1;
	}
	signal(SIGTERM, on_term);
	for (int i = 0; i < count; i++) {
		work[i].random = 88172645463325252u + (uint64_t)i * 0x9e3779b97f4a7c15u;
		work[i].end_ns = clock_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9);
	}
	for (int i = 1; i < count; i++) {
		if (pthread_create(&threads[i], NULL, thread_start, &work[i])) {
			perror("cpu_shares: pthread_create");
			return 1;
		}
	}
	main_work(&work[0]);
	for (int i = 1; i < count; i++)
		pthread_join(threads[i], NULL);
	print_result(work, count, seconds);
	return 0;
}

#endif
