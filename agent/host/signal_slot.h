/* SPDX-License-Identifier: Apache-2.0
 * Between signal.c and signal_sig.c: a claimed signal and the host's view of it. */
#ifndef PA_HOST_SIGNAL_SLOT_H
#define PA_HOST_SIGNAL_SLOT_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PA_SIGNAL_SLOTS 8

struct pa_signal_slot {
	_Atomic int signo; /* 0: unused */
	void (*handler)(int, siginfo_t *, void *);
	_Atomic bool disputed; /* the host has set a handler or ignores it */

	/* The host's action. The handler reads the first two without the lock; a call that meets
	 * one new and one old value is harmless: both conventions pass signo first. */
	_Atomic uintptr_t host_handler; /* or SIG_DFL, SIG_IGN */
	_Atomic int host_flags;
	struct sigaction host; /* as the kernel would tell it; under the lock of signal.c */
};

extern struct pa_signal_slot pa_signal_slots[PA_SIGNAL_SLOTS];

/* Signal-safe. NULL: not claimed. */
struct pa_signal_slot *pa_signal_slot_find(int signo);

#endif
