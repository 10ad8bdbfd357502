/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/host/signal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "agent/host/real.h"
#include "agent/host/signal_slot.h"

/* Guards the host's view of claimed signals. Taken by host threads inside sigaction for such a
 * signal only, with every signal blocked, around a few stores and one system call. */
static _Atomic bool view_locked;

static void view_lock(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, before);
	while (atomic_exchange_explicit(&view_locked, true, memory_order_acquire))
		sched_yield();
}

static void view_unlock(const sigset_t *before)
{
	atomic_store_explicit(&view_locked, false, memory_order_release);
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

static int install(const struct pa_signal_slot *slot, int signo, const struct sigaction *like,
		   struct sigaction *old)
{
	struct sigaction act = {.sa_sigaction = slot->handler};

	if (like) {
		act.sa_mask = like->sa_mask;
		act.sa_flags = like->sa_flags & (int)(SA_RESTART | SA_ONSTACK | SA_NODEFER);
	} else {
		sigfillset(&act.sa_mask);
		act.sa_flags = SA_RESTART | SA_ONSTACK;
	}
	act.sa_flags |= SA_SIGINFO;
	return pa_real.sigaction(signo, &act, old);
}

static bool is_default(const struct sigaction *a)
{
	return !(a->sa_flags & SA_SIGINFO) && a->sa_handler == SIG_DFL;
}

static struct pa_signal_slot *slot_free(void)
{
	for (int i = 0; i < PA_SIGNAL_SLOTS; i++) {
		if (!atomic_load(&pa_signal_slots[i].signo))
			return &pa_signal_slots[i];
	}
	return NULL;
}

static bool try_claim(int signo, void (*handler)(int, siginfo_t *, void *))
{
	struct pa_signal_slot *slot = slot_free();
	struct sigaction old;

	if (!slot || pa_signal_slot_find(signo))
		return false;
	if (pa_real.sigaction(signo, NULL, &old) || !is_default(&old))
		return false;
	slot->handler = handler;
	memset(&slot->host, 0, sizeof(slot->host));
	atomic_store(&slot->host_handler, (uintptr_t)SIG_DFL);
	atomic_store(&slot->host_flags, 0);
	atomic_store(&slot->disputed, false);
	atomic_store_explicit(&slot->signo, signo, memory_order_release);
	if (!install(slot, signo, NULL, &old) && is_default(&old))
		return true;
	/* The host was quicker. */
	atomic_store(&slot->signo, 0);
	pa_real.sigaction(signo, &old, NULL);
	return false;
}

int pa_signal_claim(void (*handler)(int, siginfo_t *, void *))
{
	for (int i = 0; i < PA_SIGNAL_SLOTS; i++) {
		int signo = atomic_load(&pa_signal_slots[i].signo);

		if (signo && pa_signal_slots[i].handler == handler && pa_signal_undisputed(signo))
			return signo;
	}
	if (try_claim(SIGPROF, handler))
		return SIGPROF;
	/* From the top: programs that use real-time signals count up from SIGRTMIN. */
	for (int signo = SIGRTMAX - 1; signo > SIGRTMIN; signo--) {
		if (try_claim(signo, handler))
			return signo;
	}
	return -EBUSY;
}

bool pa_signal_undisputed(int signo)
{
	struct pa_signal_slot *slot = pa_signal_slot_find(signo);
	struct sigaction now;

	if (!slot || atomic_load(&slot->disputed))
		return false;
	/* Somebody may have made the system call without libc. */
	if (pa_real.sigaction(signo, NULL, &now) || now.sa_sigaction != slot->handler)
		atomic_store(&slot->disputed, true);
	return !atomic_load(&slot->disputed);
}

/* The kernel gets: our handler in place of a default action and in front of a handler, with the
 * handler's own flags and mask; a request to ignore as it is. */
static int apply(struct pa_signal_slot *slot, int signo, const struct sigaction *act)
{
	bool ignore = !(act->sa_flags & SA_SIGINFO) && act->sa_handler == SIG_IGN;
	int err;

	if (is_default(act))
		err = install(slot, signo, NULL, NULL);
	else if (ignore)
		err = pa_real.sigaction(signo, act, NULL);
	else
		err = install(slot, signo, act, NULL);
	if (err)
		return err;
	slot->host = *act;
	atomic_store(&slot->host_flags, act->sa_flags);
	atomic_store(&slot->host_handler, (uintptr_t)act->sa_handler);
	if (!is_default(act))
		atomic_store(&slot->disputed, true);
	return 0;
}

bool pa_signal_host_action(int signo, const struct sigaction *act, struct sigaction *old, int *ret)
{
	struct pa_signal_slot *slot = signo > 0 ? pa_signal_slot_find(signo) : NULL;
	struct sigaction before, wanted;
	sigset_t mask;

	if (!slot)
		return false;
	if (act)
		wanted = *act; /* a bad pointer faults here, outside the lock */
	view_lock(&mask);
	before = slot->host;
	/* SA_RESETHAND may have struck since. */
	before.sa_handler = (pa_sighandler)atomic_load(&slot->host_handler);
	*ret = act ? apply(slot, signo, &wanted) : 0;
	view_unlock(&mask);
	if (old && *ret == 0)
		*old = before;
	return true;
}
