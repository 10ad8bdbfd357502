/* SPDX-License-Identifier: Apache-2.0
 * sigwait and its relatives: a thread that fetches a signal which the agent uses too does not get
 * the agent's. That happens when the signal was blocked after sampling had begun. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include "agent/base/clock.h"
#include "agent/base/compiler.h"
#include "agent/host/real.h"
#include "agent/host/signal.h"
#include "agent/host/signal_slot.h"

static bool shared(const sigset_t *set)
{
	if (pa_unlikely(!pa_real.sigtimedwait))
		pa_real_init();
	for (int i = 0; set && i < PA_SIGNAL_SLOTS; i++) {
		int signo = atomic_load(&pa_signal_slots[i].signo);

		if (signo && sigismember(set, signo) == 1)
			return true;
	}
	return false;
}

static uint64_t ns_of(const struct timespec *ts)
{
	if (ts->tv_sec > (time_t)(INT64_MAX / PA_NS_PER_S) - 1)
		return INT64_MAX; /* 292 years */
	return (uint64_t)ts->tv_sec * PA_NS_PER_S + (uint64_t)ts->tv_nsec;
}

/* timeout NULL: none. */
static int wait_for_hosts(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	uint64_t begin = pa_clock_mono(), passed;
	struct timespec left;
	siginfo_t got;
	int signo;

	if (timeout)
		left = *timeout;
	while ((signo = pa_real.sigtimedwait(set, &got, timeout ? &left : NULL)) > 0 &&
	       pa_signal_is_agents(&got)) {
		if (!timeout)
			continue;
		passed = PA_MIN(pa_clock_mono() - begin, ns_of(timeout));
		left.tv_sec = (time_t)((ns_of(timeout) - passed) / PA_NS_PER_S);
		left.tv_nsec = (long)((ns_of(timeout) - passed) % PA_NS_PER_S);
	}
	if (signo > 0 && info)
		*info = got;
	return signo;
}

PA_EXPORT int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	return shared(set) ? wait_for_hosts(set, info, timeout)
			   : pa_real.sigtimedwait(set, info, timeout);
}

PA_EXPORT int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
	return shared(set) ? wait_for_hosts(set, info, NULL) : pa_real.sigwaitinfo(set, info);
}

PA_EXPORT int sigwait(const sigset_t *set, int *ret_signo)
{
	int signo;

	if (!shared(set))
		return pa_real.sigwait(set, ret_signo);
	/* As glibc, sigwait does not tell of handlers that ran meanwhile. */
	do
		signo = wait_for_hosts(set, NULL, NULL);
	while (signo < 0 && errno == EINTR);
	if (signo < 0)
		return errno;
	*ret_signo = signo;
	return 0;
}
