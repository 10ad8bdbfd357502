/* SPDX-License-Identifier: Apache-2.0
 * The part of signal sharing that runs in handlers. */
#include <stddef.h>
#include <stdint.h>

#include "agent/base/syscall.h"
#include "agent/host/signal.h"
#include "agent/host/signal_slot.h"

struct pa_signal_slot pa_signal_slots[PA_SIGNAL_SLOTS];

struct pa_signal_slot *pa_signal_slot_find(int signo)
{
	for (int i = 0; i < PA_SIGNAL_SLOTS; i++) {
		if (atomic_load(&pa_signal_slots[i].signo) == signo)
			return &pa_signal_slots[i];
	}
	return NULL;
}

bool pa_signal_masked(int signo)
{
	struct pa_signal_slot *slot = pa_signal_slot_find(signo);

	return slot && !atomic_load(&slot->disputed);
}

/* Dies as if we had never been here: the signal is blocked while its handler runs, so the one
 * sent here is delivered, to its default action, when the handler returns. */
static void default_action(int signo)
{
	struct { /* the kernel's struct sigaction, not libc's (x86-64, aarch64) */
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} dfl = {0};
	uint64_t only = 1ull << (signo - 1);

	pa_sys(SYS_rt_sigaction, signo, &dfl, NULL, sizeof(dfl.mask));
	pa_sys(SYS_tgkill, pa_sys(SYS_getpid), pa_sys(SYS_gettid), signo);
	pa_sys(SYS_rt_sigprocmask, SIG_UNBLOCK, &only, NULL, sizeof(only));
}

void pa_signal_chain(int signo, siginfo_t *info, void *ucontext)
{
	struct pa_signal_slot *slot = pa_signal_slot_find(signo);
	uintptr_t handler;

	if (!slot)
		return;
	handler = atomic_load(&slot->host_handler);
	/* Of two threads that are hit at once only one may find a handler for one signal. */
	while (handler > (uintptr_t)SIG_IGN && atomic_load(&slot->host_flags) & (int)SA_RESETHAND &&
	       !atomic_compare_exchange_strong(&slot->host_handler, &handler, (uintptr_t)SIG_DFL))
		;
	if (handler == (uintptr_t)SIG_IGN)
		return;
	if (handler == (uintptr_t)SIG_DFL) {
		default_action(signo);
		return;
	}
	/* Also right for a handler without SA_SIGINFO: further arguments are ignored by the
	 * calling conventions of all our platforms. */
	((void (*)(int, siginfo_t *, void *))handler)(signo, info, ucontext);
}
