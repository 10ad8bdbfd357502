/* SPDX-License-Identifier: Apache-2.0
 * Threads of every kind, each using CPU time while profiles are taken.
 *
 *	host_threads small KIB     threads on stacks of this size
 *	host_threads ends          pthread_exit, cancellation, detached, the main thread's end
 *	host_threads many N        so many short ones
 *	host_threads c11           by thrd_create
 *	host_threads raw           by clone(2), without libc
 *	host_threads blocked       all signals blocked; prints their CPU time at $HOST_END
 *	host_threads storm MS      threads that end all the time; prints the CPU time at $HOST_END
 *	host_threads churn MS      the same with threads that use less than a tick each */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <threads.h>

#include "test/programs/host.h"

/* Fills most of a stack of 16 KiB. */
NOINLINE static unsigned deep(unsigned levels, unsigned ms)
{
	volatile char fill[512];

	for (unsigned i = 0; i < sizeof(fill); i++)
		fill[i] = (char)levels;
	if (levels)
		return deep(levels - 1, ms) + (unsigned char)fill[levels];
	host_burn(ms);
	return 1;
}

static void *small_thread(void *arg)
{
	return (void *)(uintptr_t)(deep(*(unsigned *)arg, 80) == 0);
}

static void small(unsigned kib)
{
	/* What is left at the bottom must do for nothing but the program itself. */
	unsigned levels = kib < 32 ? (kib - 11) * 1024 / 640 : 16;
	pthread_t threads[4];
	pthread_attr_t attr;
	void *result;
	int err;

	pthread_attr_init(&attr);
	err = pthread_attr_setstacksize(&attr, (size_t)kib << 10);
	printf("size: %d\n", err);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 4; i++) {
			err = pthread_create(&threads[i], &attr, small_thread, &levels);
			if (err)
				printf("create: %d\n", err);
		}
		if (!round)
			host_wait_file("HOST_GO");
		for (int i = 0; i < 4; i++) {
			pthread_join(threads[i], &result);
			printf("result %p\n", result);
		}
	}
}

static void *exits(void *arg)
{
	host_burn(30);
	pthread_exit(arg);
}

static void *sleeps(void *arg)
{
	host_burn(30);
	sleep(60);
	return arg;
}

static void *spins(void *arg)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (;;)
		host_spin(1000);
	return arg;
}

static pthread_key_t key;
static _Atomic int destroyed, detached_done;

static void destroy(void *arg)
{
	(void)arg;
	host_burn(20);
	destroyed++;
}

static void *with_key(void *arg)
{
	pthread_setspecific(key, arg);
	return arg;
}

static void *detached(void *arg)
{
	host_burn(30);
	detached_done++;
	return arg;
}

static void *last(void *arg)
{
	(void)arg;
	usleep(50000);
	host_burn(300);
	printf("last thread\n");
	return NULL;
}

static void ends(void)
{
	void *(*const routines[])(void *) = {exits, sleeps, spins, with_key};
	pthread_t threads[40], last_thread;
	int args[40];
	pthread_attr_t attr;
	void *result;

	host_wait_file("HOST_GO");
	pthread_key_create(&key, destroy);
	for (int i = 0; i < 40; i++)
		pthread_create(&threads[i], NULL, routines[i % 4], &args[i]);
	usleep(300000);
	for (int i = 0; i < 40; i++) {
		if (i % 4 == 1 || i % 4 == 2)
			printf("cancel %d\n", pthread_cancel(threads[i]));
		pthread_join(threads[i], &result);
		printf("result %d\n", result == PTHREAD_CANCELED ? -1 : result == &args[i]);
	}
	printf("destroyed %d\n", destroyed);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < 10; i++)
		pthread_create(&threads[i], &attr, detached, NULL);
	while (detached_done < 10)
		usleep(1000);
	pthread_create(&last_thread, NULL, last, NULL);
	pthread_exit(NULL); /* the process ends with the last thread */
}

static void *counts(void *arg)
{
	host_spin(2000);
	++*(long *)arg;
	return arg;
}

static void many(int n)
{
	long count = 0;
	pthread_t thread;
	void *result;

	host_wait_file("HOST_GO");
	for (int i = 0; i < n; i++) {
		int err = pthread_create(&thread, NULL, counts, &count);

		if (err)
			printf("create: %d\n", err);
		else
			pthread_join(thread, &result);
		if (result != &count)
			printf("wrong result\n");
	}
	printf("count %ld\n", count);
}

#define RAW_STACK (256u << 10)
static volatile int raw_done;
static volatile uint64_t raw_count;

/* No libc: in half of the threads the thread pointer leads nowhere. */
static int raw_thread(void *arg)
{
	for (volatile uint64_t i = 0; i < 60000000; i++)
		;
	raw_count++;
	__atomic_add_fetch(&raw_done, 1, __ATOMIC_SEQ_CST);
	for (;;)
		__asm__ volatile("syscall" ::"a"(SYS_exit), "D"(arg) : "rcx", "r11", "memory");
	return 0;
}

static void raw(void)
{
	const int flags =
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
	char *nothing = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < 6; i++) {
		char *stack = mmap(NULL, RAW_STACK, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int err;

		if (stack == MAP_FAILED)
			host_die("mmap");
		if (i == 3)
			host_wait_file("HOST_GO");
		err = clone(raw_thread, stack + RAW_STACK, flags | (i & 1 ? CLONE_SETTLS : 0), NULL,
			    NULL, nothing + 2048, NULL);
		if (err < 0)
			host_die("clone");
		errno = 4711;
	}
	while (raw_done < 6) {
		if (errno != 4711)
			break;
	}
	printf("errno %d\n", errno);
	while (raw_done < 6)
		usleep(1000);
	printf("count %d\n", (int)raw_count);
}

static int c11_thread(void *arg)
{
	host_burn(100);
	return *(int *)arg;
}

static void c11(void)
{
	int values[8], result;
	thrd_t threads[8];

	host_wait_file("HOST_GO");
	for (int i = 0; i < 8; i++) {
		values[i] = -i;
		printf("create %d\n", thrd_create(&threads[i], c11_thread, &values[i]));
	}
	for (int i = 0; i < 8; i++) {
		printf("join %d", thrd_join(threads[i], &result));
		printf(" result %d\n", result);
	}
	host_burn(1500); /* until the profile is over */
}

static uint64_t deadline;
static _Atomic uint64_t blocked_ns;

static void *blocked_thread(void *arg)
{
	sigset_t all;

	sigfillset(&all);
	if (arg)
		pthread_sigmask(SIG_BLOCK, &all, NULL);
	host_burn_until(deadline);
	blocked_ns += host_clock(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static void *blocked_brief(void *arg)
{
	host_burn(3);
	blocked_ns += host_clock(CLOCK_THREAD_CPUTIME_ID);
	return arg;
}

/* One thread from before the profile, one that is born blocked, one that blocks when it has been
 * seen, and many that are too short to be noticed alone. */
static void blocked(void)
{
	pthread_t threads[3], brief;
	sigset_t all, before;

	sigfillset(&all);
	deadline = host_clock(CLOCK_MONOTONIC) + 60000000000u;
	pthread_sigmask(SIG_BLOCK, &all, &before);
	host_wait_file("HOST_READY");
	deadline = host_clock(CLOCK_MONOTONIC) + 4500000000u;
	pthread_create(&threads[0], NULL, blocked_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	host_wait_file("HOST_GO");
	pthread_create(&threads[1], NULL, blocked_thread, &all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	pthread_create(&threads[2], NULL, blocked_thread, NULL);
	while (host_clock(CLOCK_MONOTONIC) < deadline) {
		pthread_create(&brief, NULL, blocked_brief, NULL);
		pthread_join(brief, NULL);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	printf("%llu\n", (unsigned long long)blocked_ns);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	host_wait_file("HOST_END");
}

static uint64_t rusage_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000u +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000u;
}

static void *storm_thread(void *arg)
{
	host_burn(*(unsigned *)arg);
	return NULL;
}

static void storm(unsigned ms, unsigned each)
{
	uint64_t until, used;
	pthread_t threads[2];

	host_wait_file("HOST_GO");
	used = rusage_ns();
	until = host_clock(CLOCK_MONOTONIC) + ms * 1000000ull;
	while (host_clock(CLOCK_MONOTONIC) < until) {
		for (int i = 0; i < 2; i++)
			pthread_create(&threads[i], NULL, storm_thread, &each);
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
	}
	printf("%llu\n", (unsigned long long)(rusage_ns() - used));
	host_wait_file("HOST_END");
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	unsigned n = argc > 2 ? (unsigned)atoi(argv[2]) : 0;

	if (!strcmp(mode, "small"))
		small(n);
	else if (!strcmp(mode, "ends"))
		ends();
	else if (!strcmp(mode, "many"))
		many((int)n);
	else if (!strcmp(mode, "c11"))
		c11();
	else if (!strcmp(mode, "raw"))
		raw();
	else if (!strcmp(mode, "blocked"))
		blocked();
	else if (!strcmp(mode, "storm"))
		storm(n, 15);
	else if (!strcmp(mode, "churn"))
		storm(n, 1);
	printf("end\n");
	return 0;
}
