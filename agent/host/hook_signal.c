/* SPDX-License-Identifier: Apache-2.0
 * The sigaction family: for a signal that the agent uses, the host gets and sets its own view of
 * it; every other call goes straight on. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>

#include "agent/base/compiler.h"
#include "agent/host/real.h"
#include "agent/host/signal.h"
#include "agent/host/signal_slot.h"

PA_EXPORT pa_sighandler bsd_signal(int signo, pa_sighandler handler);
PA_EXPORT pa_sighandler sysv_signal(int signo, pa_sighandler handler);

static bool claimed(int signo)
{
	if (pa_unlikely(!pa_real.sigaction))
		pa_real_init();
	return signo > 0 && pa_signal_slot_find(signo);
}

PA_EXPORT int sigaction(int signo, const struct sigaction *act, struct sigaction *old)
{
	int ret;

	if (claimed(signo) && pa_signal_host_action(signo, act, old, &ret))
		return ret;
	return pa_real.sigaction(signo, act, old);
}

/* signal(2) in its several dialects, for a claimed signal. */
static pa_sighandler set_handler(int signo, pa_sighandler handler, int flags, bool mask_self)
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = flags}, old;
	int ret;

	if (handler == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	if (mask_self)
		sigaddset(&act.sa_mask, signo);
	if (!pa_signal_host_action(signo, &act, &old, &ret) || ret)
		return SIG_ERR;
	return old.sa_handler;
}

/* glibc's signal: restarting, the signal itself blocked meanwhile (sysdeps/posix/signal.c). */
#define BSD_SIGNAL(name)                                                                           \
	PA_EXPORT pa_sighandler name(int signo, pa_sighandler handler)                             \
	{                                                                                          \
		if (claimed(signo))                                                                \
			return set_handler(signo, handler, SA_RESTART, true);                      \
		return pa_real.name(signo, handler);                                               \
	}

BSD_SIGNAL(signal)
BSD_SIGNAL(bsd_signal)
BSD_SIGNAL(ssignal)

/* System V's: reset before the call, not blocked, not restarting (sysdeps/posix/sysv_signal.c). */
#define SYSV_SIGNAL(name)                                                                          \
	PA_EXPORT pa_sighandler name(int signo, pa_sighandler handler)                             \
	{                                                                                          \
		if (claimed(signo))                                                                \
			return set_handler(signo, handler, SA_RESETHAND | SA_NODEFER, false);      \
		return pa_real.name(signo, handler);                                               \
	}

SYSV_SIGNAL(sysv_signal)
SYSV_SIGNAL(__sysv_signal)

PA_EXPORT pa_sighandler sigset(int signo, pa_sighandler handler)
{
	struct sigaction now;
	sigset_t only, before;
	pa_sighandler old;
	int ret;

	if (!claimed(signo))
		return pa_real.sigset(signo, handler);
	sigemptyset(&only);
	sigaddset(&only, signo);
	if (handler == SIG_HOLD) {
		pa_signal_host_action(signo, NULL, &now, &ret);
		old = now.sa_handler;
	} else {
		old = set_handler(signo, handler, 0, false);
		if (old == SIG_ERR)
			return SIG_ERR;
	}
	pthread_sigmask(handler == SIG_HOLD ? SIG_BLOCK : SIG_UNBLOCK, &only, &before);
	return sigismember(&before, signo) ? SIG_HOLD : old;
}

PA_EXPORT int sigignore(int signo)
{
	if (claimed(signo))
		return set_handler(signo, SIG_IGN, 0, false) == SIG_ERR ? -1 : 0;
	return pa_real.sigignore(signo);
}

PA_EXPORT int siginterrupt(int signo, int interrupt)
{
	struct sigaction act;
	int ret;

	if (!claimed(signo))
		return pa_real.siginterrupt(signo, interrupt);
	pa_signal_host_action(signo, NULL, &act, &ret);
	if (interrupt)
		act.sa_flags &= ~SA_RESTART;
	else
		act.sa_flags |= SA_RESTART;
	return pa_signal_host_action(signo, &act, NULL, &ret) ? ret : -1;
}
