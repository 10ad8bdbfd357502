/* SPDX-License-Identifier: Apache-2.0
 * The futex lock and its waiting. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/lock.h"
#include "test/tap.h"

enum { THREADS = 4, TURNS = 20000 };

static struct pa_lock lock;
static uint64_t counter, inside;
static bool alone = true;

static void *count(void *arg)
{
	for (int i = 0; i < TURNS; i++) {
		pa_lock(&lock);
		alone = alone && ++inside == 1;
		counter++;
		if (i % 1000 == 0)
			sched_yield(); /* so that others run into the lock and sleep */
		inside--;
		pa_unlock(&lock);
	}
	return arg;
}

static void test_exclusion(void)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, count, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ok(alone, "one at a time");
	is_int(counter, THREADS * TURNS, "no turn is lost");
	is_int(lock.state, 0, "free at the end");
}

static _Atomic pid_t sleeper_tid;
static _Atomic uint32_t word, woken;

/* State of a thread as in proc(5), such as 'S' for sleeping. */
static char thread_state(pid_t tid)
{
	char path[64], text[256];
	const char *paren;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	if (pa_file_read_small(path, text, sizeof(text)) < 0)
		return '?';
	paren = strrchr(text, ')');
	return paren && paren[1] ? paren[2] : '?';
}

static bool wait_until_asleep(void)
{
	uint64_t deadline = pa_clock_mono() + 20 * PA_NS_PER_S;

	while (!sleeper_tid || thread_state(sleeper_tid) != 'S') {
		if (pa_clock_mono() > deadline)
			return false;
		sched_yield();
	}
	return true;
}

static void *lock_once(void *arg)
{
	sleeper_tid = gettid();
	pa_lock(&lock);
	pa_unlock(&lock);
	return arg;
}

static void test_contended(void)
{
	pthread_t thread;

	sleeper_tid = 0;
	pa_lock(&lock);
	is_int(lock.state, 1, "taken without waiters");
	pthread_create(&thread, NULL, lock_once, NULL);
	ok(wait_until_asleep(), "a second locker sleeps");
	is_int(lock.state, 2, "and says that it waits");
	pa_unlock(&lock);
	pthread_join(thread, NULL);
	is_int(lock.state, 0, "unlock wakes it, and it leaves the lock free");
}

static void *wait_for_word(void *arg)
{
	sleeper_tid = gettid();
	while (!word)
		pa_futex_wait(&word, 0, UINT64_MAX);
	woken = 1;
	return arg;
}

static void test_wait(void)
{
	uint64_t start;
	pthread_t thread;

	errno = 1234;
	word = 1;
	start = pa_clock_mono();
	pa_futex_wait(&word, 0, 100 * PA_NS_PER_S);
	ok(pa_clock_mono() - start < 50 * PA_NS_PER_S, "another value: no sleep");
	start = pa_clock_mono();
	while (pa_clock_mono() - start < 20 * PA_NS_PER_MS)
		pa_futex_wait(&word, 1, 20 * PA_NS_PER_MS);
	ok(pa_clock_mono() - start < 50 * PA_NS_PER_S, "a time-out ends the sleep");
	pa_futex_wake(&word, 1);
	is_int(errno, 1234, "errno is kept");

	word = 0;
	sleeper_tid = 0;
	pthread_create(&thread, NULL, wait_for_word, NULL);
	ok(wait_until_asleep() && !woken, "a waiter sleeps for ever");
	word = 1;
	pa_futex_wake(&word, 1);
	pthread_join(thread, NULL);
	is_int(woken, 1, "until it is woken");
}

int main(void)
{
	test_exclusion();
	test_contended();
	test_wait();
	return tap_done();
}
