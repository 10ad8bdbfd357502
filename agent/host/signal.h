/* SPDX-License-Identifier: Apache-2.0
 * Signals that the agent uses for itself while the host must not notice: the host's view of such
 * a signal (its "action") is kept aside, shown to it by the sigaction family, and carried out when
 * a signal arrives that is not the agent's. */
#ifndef PA_HOST_SIGNAL_H
#define PA_HOST_SIGNAL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"

/* Takes a signal that the host leaves at its default: SIGPROF, else a free real-time one, and
 * installs the handler (SA_SIGINFO, SA_RESTART, SA_ONSTACK, all signals blocked). A signal taken
 * before and still undisputed is returned again. It is never given back: a late tick would then
 * kill the host. Signal number or -EBUSY. Agent thread only. */
int pa_signal_claim(void (*handler)(int, siginfo_t *, void *)) PA_CHECKED;

/* Whether the kernel still calls our handler and the host has shown no interest in the signal. If
 * not, it is time to claim another. Agent thread only. */
bool pa_signal_undisputed(int signo);

/* From our handler, for a signal that is not ours: does what the host asked for, its default
 * action (death by that signal) included. Signal-safe. */
void pa_signal_chain(int signo, siginfo_t *info, void *ucontext);

/* Whether our handler runs with all signals blocked: not for sure once the host has had a handler
 * of its own, with its own mask, so that one of its others may interrupt ours and jump out of it.
 * Signal-safe. */
bool pa_signal_masked(int signo);

/* sigaction(2) as the host sees it, whether or not the signal is claimed. Any thread. */
int pa_signal_host_action(int signo, const struct sigaction *act, struct sigaction *old);

/* Timers of the agent carry this in the upper 16 bits of their value, where no address of the
 * host has it: it tells their signals from the host's. */
#define PA_SIGNAL_COOKIE 0x9a0full
static inline bool pa_signal_is_agents(const siginfo_t *info)
{
	return info->si_code == SI_TIMER &&
	       (uint64_t)(uintptr_t)info->si_value.sival_ptr >> 48 == PA_SIGNAL_COOKIE;
}

/* Whether the signal is one that pa_signal_claim may take. Any thread. */
bool pa_signal_claimable(int signo);

/* In a forked child, single-threaded: calls that others were in are over. */
void pa_signal_fork_child(void);

#endif
