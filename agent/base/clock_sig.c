/* SPDX-License-Identifier: Apache-2.0
 * Clocks through the vDSO; a thread's CPU clock through the kernel. */
#include <time.h>

#include "agent/base/clock.h"
#include "agent/base/syscall.h"

static uint64_t ns(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * PA_NS_PER_S + (uint64_t)ts->tv_nsec;
}

/* These clocks always exist, so clock_gettime cannot fail and leaves errno alone. */
uint64_t pa_clock_mono(void)
{
	struct timespec ts = {0};

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ns(&ts);
}

uint64_t pa_clock_real(void)
{
	struct timespec ts = {0};

	clock_gettime(CLOCK_REALTIME, &ts);
	return ns(&ts);
}

int pa_clock_thread_cpu(pid_t tid, uint64_t *ret_ns)
{
	struct timespec ts;
	long r;

	/* Number 0 would be the caller, negative ones another kind of clock. */
	if (tid <= 0)
		return -EINVAL;
	r = pa_sys(SYS_clock_gettime, PA_THREAD_CPU_CLOCK(tid), &ts);
	if (r < 0)
		return (int)r;
	*ret_ns = ns(&ts);
	return 0;
}

unsigned pa_clock_tick_hz(void)
{
	struct timespec res = {0};
	uint64_t tick;

	clock_getres(CLOCK_MONOTONIC_COARSE, &res);
	tick = ns(&res);
	/* CONFIG_HZ is 24 to 1200. Anything else is no tick (gVisor reports 1 ns): assume the
	 * slowest that is common. */
	if (tick < PA_NS_PER_S / 1200 || tick > PA_NS_PER_S / 24)
		return 100;
	return (unsigned)((PA_NS_PER_S + tick / 2) / tick);
}
