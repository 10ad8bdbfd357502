/* SPDX-License-Identifier: Apache-2.0
 * Clocks against what libc says. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "test/tap.h"

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * PA_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void *own_id(void *arg)
{
	*(pid_t *)arg = gettid();
	return NULL;
}

static void test_thread_cpu(void)
{
	uint64_t before, after, mine = 0, untouched = 4711;
	pthread_t thread;
	clockid_t libc_clock;
	pid_t gone = 0;

	before = now(CLOCK_THREAD_CPUTIME_ID);
	is_int(pa_clock_thread_cpu(gettid(), &mine), 0, "own CPU time");
	after = now(CLOCK_THREAD_CPUTIME_ID);
	ok(before <= mine && mine <= after, "lies between two readings of libc's");
	pthread_getcpuclockid(pthread_self(), &libc_clock);
	is_int(PA_THREAD_CPU_CLOCK(gettid()), libc_clock, "the clock's id is libc's");

	pthread_create(&thread, NULL, own_id, &gone);
	pthread_join(thread, NULL);
	errno = 1234;
	is_int(pa_clock_thread_cpu(gone, &untouched), -EINVAL, "a thread that is gone");
	is_int(pa_clock_thread_cpu(0, &untouched), -EINVAL, "no thread");
	is_int(pa_clock_thread_cpu(-1, &untouched), -EINVAL, "a negative one");
	is_int(pa_clock_thread_cpu(1, &untouched), gettid() == 1 ? 0 : -EINVAL, "another process");
	ok(gettid() == 1 || untouched == 4711, "leaves the output untouched");
	is_int(errno, 1234, "errno is kept");
}

int main(void)
{
	uint64_t before = now(CLOCK_MONOTONIC), mine = pa_clock_mono();
	unsigned hz = pa_clock_tick_hz();
	struct timespec res;

	ok(before <= mine && mine <= now(CLOCK_MONOTONIC), "monotonic");
	before = now(CLOCK_REALTIME);
	mine = pa_clock_real();
	ok(before <= mine && mine <= now(CLOCK_REALTIME), "real time");
	clock_getres(CLOCK_MONOTONIC_COARSE, &res);
	ok(hz >= 24 && hz <= 1200, "ticks a second: %u", hz);
	ok(res.tv_nsec < 800000 || (uint64_t)hz * (uint64_t)res.tv_nsec / 1000000 == 1000 ||
		   (uint64_t)hz * (uint64_t)res.tv_nsec / 1000000 == 999,
	   "one tick is the resolution of the coarse clock");
	test_thread_cpu();
	return tap_done();
}
