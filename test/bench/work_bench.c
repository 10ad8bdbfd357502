/* SPDX-License-Identifier: Apache-2.0
 * work_bench THREADS [PIECES]: threads that do equal pieces of work (about 25 us each) at the
 * bottom of a call chain 40 frames deep, each timed with the thread's own CPU clock.
 *
 * With PIECES each thread does so many, then the program prints the CPU time of all threads and
 * ends. Without, they work until standard input ends, and windows.h says what a window cost; a
 * line "tick HZ [ROUNDS]" arms a CPU-clock timer for each of them, whose handler is empty or a loop
 * of so many rounds: the floor of any profiler that works by signals, or a known cost to check the
 * method with. "tick 0 [ROUNDS]" disarms them, "cost" says what such a handler takes. */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "test/bench/windows.h"

#define DEPTH       40
#define ROUNDS      9000 /* of one piece */
#define THREADS_MAX 64

#ifndef sigev_notify_thread_id /* glibc before 2.36 */
#define sigev_notify_thread_id _sigev_un._tid
#endif

static struct piece_log logs[THREADS_MAX];
static pthread_t threads[THREADS_MAX];
static _Atomic pid_t tids[THREADS_MAX];
static int count;
static _Atomic int stopped;

static NOINLINE uint64_t piece(uint64_t x)
{
	for (uint64_t i = 0; i < ROUNDS; i++)
		x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u + i;
	return x;
}

static NOINLINE void timed_piece(struct piece_log *log, volatile uint64_t *sum)
{
	uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	*sum += piece(*sum);
	piece_log_add(log, clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_THREAD_CPUTIME_ID) - start);
}

/* Comes back to the top every 16 pieces, as real stacks do. The write behind the call keeps each
 * level a frame of its own. */
static NOINLINE void descend(int depth, struct piece_log *log, volatile uint64_t *sum)
{
	if (depth > 0) {
		descend(depth - 1, log, sum);
		*sum += (uint64_t)depth;
		return;
	}
	for (int i = 0; i < 16; i++)
		timed_piece(log, sum);
}

static void *work(void *arg)
{
	struct piece_log *log = arg;
	volatile uint64_t sum = 1;

	atomic_store(&tids[log - logs], gettid());
	while (!atomic_load_explicit(&stopped, memory_order_relaxed))
		descend(DEPTH, log, &sum);
	return NULL;
}

static void *work_pieces(void *arg)
{
	volatile uint64_t sum = 1;

	for (long i = *(long *)arg; i > 0; i--)
		sum += piece(sum);
	return NULL;
}

static long tick_rounds;

static void on_tick(int signo)
{
	volatile uint64_t x = (uint64_t)signo;

	for (long i = 0; i < tick_rounds; i++)
		x = x * 3 + (uint64_t)i;
}

/* Nanoseconds of one call of the handler as it is now, on this thread's CPU clock. */
static double tick_ns(void)
{
	uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	for (int i = 0; i < 1000; i++)
		on_tick(i);
	return (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / 1000;
}

static void arm(int i, long hz)
{
	static timer_t timers[THREADS_MAX];
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
	struct itimerspec every = {0};
	clockid_t clock;

	static bool armed[THREADS_MAX];

	if (armed[i])
		timer_delete(timers[i]);
	armed[i] = hz != 0;
	if (!hz)
		return;
	event.sigev_notify_thread_id = atomic_load(&tids[i]);
	every.it_interval.tv_nsec = every.it_value.tv_nsec = 1000000000 / hz;
	if (pthread_getcpuclockid(threads[i], &clock) || timer_create(clock, &event, &timers[i]) ||
	    timer_settime(timers[i], 0, &every, NULL)) {
		perror("timer_create");
		exit(1);
	}
}

static void command(const char *line)
{
	long hz, rounds = 0;

	if (!strncmp(line, "cost", 4)) {
		printf("{\"ns\": %.1f}\n", tick_ns());
		return;
	}
	if (sscanf(line, "tick %ld %ld", &hz, &rounds) < 1 || hz < 0 || hz == 1 || rounds < 0) {
		fprintf(stderr, "work_bench: what is '%s'?\n", line);
		exit(2);
	}
	tick_rounds = rounds;
	printf("{}\n");
	for (int i = 0; i < count; i++)
		arm(i, hz);
}

int main(int argc, char **argv)
{
	long pieces = argc > 2 ? number(argv[2], 100000000) : 0;
	struct sigaction tick = {.sa_handler = on_tick, .sa_flags = SA_RESTART};

	count = (int)number(argv[1], THREADS_MAX);
	sigaction(SIGUSR1, &tick, NULL);
	for (int i = 0; i < count; i++) {
		if (!pieces)
			piece_log_init(&logs[i]);
		if (pthread_create(&threads[i], NULL, pieces ? work_pieces : work,
				   pieces ? (void *)&pieces : &logs[i])) {
			perror("pthread_create");
			return 1;
		}
	}
	if (!pieces) {
		windows_answer(logs, count, command);
		atomic_store(&stopped, 1);
	}
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	if (pieces)
		printf("{\"cpu_ns\": %" PRIu64 "}\n", clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	return 0;
}
