/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/host/signal.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/lock.h"
#include "agent/host/real.h"
#include "agent/host/signal_slot.h"
#include "agent/host/tid.h"

/* Guards the host's view of claimed signals. Taken by host threads inside sigaction for such a
 * signal only, with every signal blocked, around a few stores and system calls. */
static struct pa_lock view;

/* Host threads between looking whether a signal is claimed and the end of libc's sigaction. */
static _Atomic int host_calls;

/* Who claimed. A child of vfork shares our memory but not our signals: its calls must not change
 * its parent's view. */
static _Atomic pid_t owner;

static void view_lock(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, before);
	pa_lock(&view);
}

static void view_unlock(const sigset_t *before)
{
	pa_unlock(&view);
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* Our handler, alone or with the flags and mask of the host's. */
static int install(const struct pa_signal_slot *slot, int signo, const struct sigaction *like)
{
	struct sigaction act = {.sa_sigaction = slot->handler, .sa_flags = SA_RESTART | SA_ONSTACK};

	if (like) {
		act.sa_mask = like->sa_mask;
		act.sa_flags = like->sa_flags & ~(int)SA_RESETHAND;
	} else {
		/* All, unlike sigfillset: a handler that libc's own cancellation signal unwinds
		 * would never be seen to end. */
		memset(&act.sa_mask, 0xff, sizeof(act.sa_mask));
	}
	act.sa_flags |= SA_SIGINFO;
	return pa_real.sigaction(signo, &act, NULL);
}

static struct pa_signal_slot *slot_free(void)
{
	for (int i = 0; i < PA_SIGNAL_SLOTS; i++) {
		if (!atomic_load(&pa_signal_slots[i].signo))
			return &pa_signal_slots[i];
	}
	return NULL;
}

/* Those that come from now on see the claim; those inside take a moment. One that never leaves
 * (a handler jumped out of it) is not waited for. */
static void wait_for_host_calls(void)
{
	static _Atomic uint32_t never;

	for (int ms = 0; atomic_load(&host_calls) && ms < 10; ms++)
		pa_futex_wait(&never, 0, PA_NS_PER_MS);
}

static bool try_claim_locked(struct pa_signal_slot *slot, int signo,
			     void (*handler)(int, siginfo_t *, void *))
{
	slot->handler = handler;
	atomic_store(&slot->host_handler, (uintptr_t)SIG_DFL);
	atomic_store(&slot->disputed, false);
	atomic_store(&slot->signo, signo);
	wait_for_host_calls();
	if (!pa_real.sigaction(signo, NULL, &slot->host) && slot->host.sa_handler == SIG_DFL) {
		atomic_store(&slot->host_flags, slot->host.sa_flags);
		if (!install(slot, signo, NULL))
			return true;
	}
	atomic_store(&slot->signo, 0);
	return false;
}

static bool try_claim(int signo, void (*handler)(int, siginfo_t *, void *))
{
	struct pa_signal_slot *slot = slot_free();
	struct sigaction now;
	sigset_t mask;
	bool done;

	if (!slot || pa_signal_slot_find(signo))
		return false;
	if (pa_real.sigaction(signo, NULL, &now) || now.sa_handler != SIG_DFL)
		return false;
	view_lock(&mask);
	atomic_store(&owner, getpid());
	done = try_claim_locked(slot, signo, handler);
	view_unlock(&mask);
	return done;
}

bool pa_signal_claimable(int signo)
{
	return signo == SIGPROF || (signo > SIGRTMIN && signo < SIGRTMAX);
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
 * handler's own flags and mask; a request to ignore as it is. What it makes of flags and mask is
 * read back, because that is what the host would see. */
static int apply_locked(struct pa_signal_slot *slot, int signo, const struct sigaction *act)
{
	const int kept = SA_SIGINFO | (int)SA_RESETHAND;
	bool before = atomic_exchange(&slot->disputed, true); /* first: see pa_signal_masked */
	struct sigaction seen;
	int err;

	if (act->sa_handler == SIG_IGN)
		err = pa_real.sigaction(signo, act, NULL);
	else
		err = install(slot, signo, act);
	if (err || pa_real.sigaction(signo, NULL, &seen)) {
		atomic_store(&slot->disputed, before);
		return -1;
	}
	seen.sa_handler = act->sa_handler;
	seen.sa_flags = (seen.sa_flags & ~kept) | (act->sa_flags & kept);
	slot->host = seen;
	atomic_store(&slot->host_flags, act->sa_flags);
	atomic_store(&slot->host_handler, (uintptr_t)act->sa_handler);
	if (act->sa_handler != SIG_DFL)
		return 0;
	err = install(slot, signo, NULL);
	atomic_store(&slot->disputed, before);
	return err;
}

static struct sigaction view_of_locked(const struct pa_signal_slot *slot)
{
	struct sigaction now = slot->host;

	/* SA_RESETHAND may have struck since. */
	now.sa_handler = (pa_sighandler)atomic_load(&slot->host_handler);
	return now;
}

/* In a child of vfork, where no tick ever comes. */
static int action_of_child(const struct pa_signal_slot *slot, int signo,
			   const struct sigaction *act, struct sigaction *old)
{
	struct sigaction before;

	if (pa_real.sigaction(signo, act, &before))
		return -1;
	if (old)
		*old = before.sa_sigaction == slot->handler ? view_of_locked(slot) : before;
	return 0;
}

/* False: the claim was given up meanwhile. */
static bool action_of_claimed(struct pa_signal_slot *slot, int signo, const struct sigaction *act,
			      struct sigaction *old, int *ret)
{
	struct sigaction before, wanted;
	sigset_t mask;
	bool claimed;

	if (atomic_load(&owner) != getpid()) {
		*ret = action_of_child(slot, signo, act, old);
		return true;
	}
	if (act)
		wanted = *act; /* a bad pointer faults here, outside the lock */
	view_lock(&mask);
	claimed = atomic_load(&slot->signo) == signo;
	if (claimed) {
		before = view_of_locked(slot);
		*ret = act ? apply_locked(slot, signo, &wanted) : 0;
	}
	view_unlock(&mask);
	if (claimed && old && *ret == 0)
		*old = before;
	return claimed;
}

int pa_signal_host_action(int signo, const struct sigaction *act, struct sigaction *old)
{
	struct pa_signal_slot *slot;
	int ret;

	if (!pa_signal_claimable(signo))
		return pa_real.sigaction(signo, act, old);
	for (;;) {
		/* Before the look at the slots, as the claim is published before it is waited for
		 * the calls (both seq_cst): one of the two sees the other. */
		atomic_fetch_add(&host_calls, 1);
		slot = pa_signal_slot_find(signo);
		if (!slot)
			ret = pa_real.sigaction(signo, act, old);
		atomic_fetch_sub(&host_calls, 1);
		if (!slot || action_of_claimed(slot, signo, act, old, &ret))
			return ret;
	}
}

void pa_signal_fork_child(void)
{
	view = (struct pa_lock){0};
	atomic_store(&host_calls, 0);
	atomic_store(&owner, pa_tid_self()); /* without a system call: may be in a sandbox */
}
