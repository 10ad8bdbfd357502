/* SPDX-License-Identifier: Apache-2.0
 * thread_bench [COUNT]: pthread_create and pthread_join of a thread that does nothing, COUNT
 * times; prints the wall and CPU time of one. Without COUNT it goes on in batches until standard
 * input ends, and windows.h says what CPU time of the process the batches of a window took. */
#include <pthread.h>

#include "test/bench/windows.h"

#define BATCH 20

static struct piece_log batch_log;
static _Atomic int stopped;

static void *nothing(void *arg)
{
	return arg;
}

static void create_join(long count)
{
	pthread_t thread;

	for (long i = 0; i < count; i++) {
		if (pthread_create(&thread, NULL, nothing, NULL)) {
			perror("pthread_create");
			exit(1);
		}
		pthread_join(thread, NULL);
	}
}

static void *batches(void *arg)
{
	while (!atomic_load_explicit(&stopped, memory_order_relaxed)) {
		uint64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

		create_join(BATCH);
		piece_log_add(&batch_log, clock_ns(CLOCK_MONOTONIC),
			      (clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start) / BATCH);
	}
	return arg;
}

static void refuse(const char *line)
{
	fprintf(stderr, "thread_bench: what is '%s'?\n", line);
	exit(2);
}

int main(int argc, char **argv)
{
	uint64_t wall, cpu;
	pthread_t thread;
	long count;

	if (argc > 1) {
		count = number(argv[1], 100000000);
		settle();
		create_join(100); /* stacks come from libc's cache from now on */
		wall = clock_ns(CLOCK_MONOTONIC);
		cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		create_join(count);
		cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
		wall = clock_ns(CLOCK_MONOTONIC) - wall;
		printf("{\"wall_ns\": %.1f, \"cpu_ns\": %.1f}\n", (double)wall / (double)count,
		       (double)cpu / (double)count);
		return 0;
	}
	piece_log_init(&batch_log);
	if (pthread_create(&thread, NULL, batches, NULL)) {
		perror("pthread_create");
		return 1;
	}
	windows_answer(&batch_log, 1, refuse);
	atomic_store(&stopped, 1);
	pthread_join(thread, NULL);
	return 0;
}
