/* SPDX-License-Identifier: Apache-2.0
 * The sigaction family: for a signal that the agent uses or may take, the host gets and sets its
 * own view of it; every other call goes straight on. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/host/real.h"
#include "agent/host/signal.h"
#include "agent/host/thread.h"

PA_EXPORT pa_sighandler bsd_signal(int signo, pa_sighandler handler);
PA_EXPORT pa_sighandler sysv_signal(int signo, pa_sighandler handler);

/* Signals for which siginterrupt has asked that signal(2) leaves SA_RESTART out: bit signo-1. libc
 * keeps the same in _sigintr, for itself. */
static _Atomic uint64_t interrupting;

/* Whether a call is carried out here instead of in libc. */
static bool shared(int signo)
{
	if (pa_unlikely(!pa_real.sigaction))
		pa_real_init();
	return pa_threads_active() && pa_signal_claimable(signo);
}

PA_EXPORT int sigaction(int signo, const struct sigaction *act, struct sigaction *old)
{
	return shared(signo) ? pa_signal_host_action(signo, act, old)
			     : pa_real.sigaction(signo, act, old);
}

/* signal(2) in its several dialects. */
static pa_sighandler set_handler(int signo, pa_sighandler handler, int flags, bool mask_self)
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = flags}, old;

	if (mask_self)
		sigaddset(&act.sa_mask, signo);
	return pa_signal_host_action(signo, &act, &old) ? SIG_ERR : old.sa_handler;
}

static pa_sighandler invalid(void)
{
	errno = EINVAL;
	return SIG_ERR;
}

/* glibc's signal: restarting, the signal itself blocked meanwhile (sysdeps/posix/signal.c). */
static pa_sighandler set_bsd(int signo, pa_sighandler handler)
{
	bool interrupts = atomic_load(&interrupting) >> (signo - 1) & 1;

	if (handler == SIG_ERR)
		return invalid();
	return set_handler(signo, handler, interrupts ? 0 : SA_RESTART, true);
}

/* System V's: reset before the call, not blocked, not restarting (sysdeps/posix/sysv_signal.c). */
static pa_sighandler set_sysv(int signo, pa_sighandler handler)
{
	if (handler == SIG_ERR)
		return invalid();
	return set_handler(signo, handler, (int)SA_RESETHAND | SA_NODEFER | SA_INTERRUPT, false);
}

#define SIGNAL(name, set)                                                                          \
	PA_EXPORT pa_sighandler name(int signo, pa_sighandler handler)                             \
	{                                                                                          \
		return shared(signo) ? set(signo, handler) : pa_real.name(signo, handler);         \
	}

SIGNAL(signal, set_bsd)
SIGNAL(bsd_signal, set_bsd)
SIGNAL(ssignal, set_bsd)
SIGNAL(sysv_signal, set_sysv)
SIGNAL(__sysv_signal, set_sysv)

PA_EXPORT pa_sighandler sigset(int signo, pa_sighandler handler)
{
	struct sigaction now;
	sigset_t only, before;
	pa_sighandler old;

	if (!shared(signo))
		return pa_real.sigset(signo, handler);
	sigemptyset(&only);
	sigaddset(&only, signo);
	if (handler == SIG_HOLD)
		old = pa_signal_host_action(signo, NULL, &now) ? SIG_ERR : now.sa_handler;
	else
		old = set_handler(signo, handler, 0, false);
	if (old == SIG_ERR)
		return SIG_ERR;
	pthread_sigmask(handler == SIG_HOLD ? SIG_BLOCK : SIG_UNBLOCK, &only, &before);
	return sigismember(&before, signo) ? SIG_HOLD : old;
}

PA_EXPORT int sigignore(int signo)
{
	if (!shared(signo))
		return pa_real.sigignore(signo);
	return set_handler(signo, SIG_IGN, 0, false) == SIG_ERR ? -1 : 0;
}

PA_EXPORT int siginterrupt(int signo, int interrupt)
{
	struct sigaction act;

	if (!shared(signo))
		return pa_real.siginterrupt(signo, interrupt);
	if (pa_signal_host_action(signo, NULL, &act))
		return -1;
	if (interrupt) {
		atomic_fetch_or(&interrupting, 1ull << (signo - 1));
		act.sa_flags &= ~SA_RESTART;
	} else {
		atomic_fetch_and(&interrupting, ~(1ull << (signo - 1)));
		act.sa_flags |= SA_RESTART;
	}
	return pa_signal_host_action(signo, &act, NULL);
}
