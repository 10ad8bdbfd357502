/* SPDX-License-Identifier: Apache-2.0
 * The part of the thread table that runs in handlers. */
#include <stddef.h>

#include "agent/host/thread_table.h"

_Atomic(struct pa_thread *) pa_thread_chunks[PA_THREADS_MAX / PA_THREAD_CHUNK];

struct pa_thread *pa_thread_slot(uint32_t i)
{
	struct pa_thread *slots;

	if (i >= PA_THREADS_MAX)
		return NULL;
	/* Acquire: pairs with the publication of the chunk. */
	slots = atomic_load_explicit(&pa_thread_chunks[i / PA_THREAD_CHUNK], memory_order_acquire);
	return slots ? &slots[i % PA_THREAD_CHUNK] : NULL;
}
