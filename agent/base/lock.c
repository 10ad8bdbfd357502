/* SPDX-License-Identifier: Apache-2.0
 * Locks and waiting on futexes. */
#include <linux/futex.h>
#include <time.h>

#include "agent/base/clock.h"
#include "agent/base/lock.h"
#include "agent/base/syscall.h"

enum { LOCK_FREE, LOCK_TAKEN, LOCK_WAITED_FOR };

void pa_futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(timeout_ns / PA_NS_PER_S),
		.tv_nsec = (long)(timeout_ns % PA_NS_PER_S),
	};

	pa_sys(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ns == UINT64_MAX ? NULL : &ts);
}

/* Acquire pairs with the release in pa_unlock. */
void pa_lock(struct pa_lock *l)
{
	uint32_t state = LOCK_FREE;

	if (atomic_compare_exchange_strong_explicit(&l->state, &state, LOCK_TAKEN,
						    memory_order_acquire, memory_order_relaxed))
		return;
	/* Whoever slept takes the lock as "waited for": others may sleep still. */
	while (atomic_exchange_explicit(&l->state, LOCK_WAITED_FOR, memory_order_acquire) !=
	       LOCK_FREE)
		pa_futex_wait(&l->state, LOCK_WAITED_FOR, UINT64_MAX);
}

void pa_unlock(struct pa_lock *l)
{
	if (atomic_exchange_explicit(&l->state, LOCK_FREE, memory_order_release) == LOCK_WAITED_FOR)
		pa_futex_wake(&l->state, 1);
}
