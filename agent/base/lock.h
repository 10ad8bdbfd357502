/* SPDX-License-Identifier: Apache-2.0
 * A futex lock for the agent's own threads. A hook or handler that needs shared state uses atomics;
 * the one exception is sigaction of a signal that the agent may take (agent/host/signal.c). Plain
 * pthread mutexes are ruled out because the agent is to interpose them. */
#ifndef PA_BASE_LOCK_H
#define PA_BASE_LOCK_H

#include <stdatomic.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct pa_lock {
	_Atomic uint32_t
		state; /* 0 free, 1 taken, 2 taken with waiters (Drepper, "Futexes are tricky") */
};

/* Agent thread only. */
void pa_lock(struct pa_lock *l);
void pa_unlock(struct pa_lock *l);

/* Sleeps until *word != value, a wake, or timeout_ns (relative; UINT64_MAX: for ever). Spurious
 * returns are normal. Agent thread only. */
void pa_futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t timeout_ns);

/* Wakes up to n sleepers. Signal-safe. */
void pa_futex_wake(_Atomic uint32_t *word, int n);

#endif
