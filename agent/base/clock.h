/* SPDX-License-Identifier: Apache-2.0
 * Clocks in nanoseconds. Signal-safe. */
#ifndef PA_BASE_CLOCK_H
#define PA_BASE_CLOCK_H

#include <stdint.h>
#include <sys/types.h>

#include "agent/base/compiler.h"

#define PA_NS_PER_S  1000000000ull
#define PA_NS_PER_MS 1000000ull

uint64_t pa_clock_mono(void); /* CLOCK_MONOTONIC */
uint64_t pa_clock_real(void); /* CLOCK_REALTIME, since the Unix epoch */

/* User and system time of a thread of this process; -EINVAL when it is gone. */
int pa_clock_thread_cpu(pid_t tid, uint64_t *ret_ns) PA_CHECKED;

/* clockid_t of a thread's CPU clock: the kernel's MAKE_THREAD_CPUCLOCK(tid, CPUCLOCK_SCHED),
 * include/linux/posix-timers.h; stable user ABI through pthread_getcpuclockid. */
#define PA_THREAD_CPU_CLOCK(tid) ((clockid_t)((~(unsigned)(tid) << 3) | 6u))

/* Kernel ticks a second (CONFIG_HZ): the resolution of CLOCK_MONOTONIC_COARSE. */
unsigned pa_clock_tick_hz(void);

#endif
