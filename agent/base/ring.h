/* SPDX-License-Identifier: Apache-2.0
 * A bounded lock-free ring of variable-size records: many producers (signal handlers), one
 * consumer. A producer reserves with one compare-and-swap, fills, commits; the consumer stops at
 * the first record that is not committed yet. What does not fit is counted and dropped. */
#ifndef PA_BASE_RING_H
#define PA_BASE_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct pa_ring {
	uint8_t *data;
	uint64_t size;                        /* power of two */
	PA_ALIGNED(64) _Atomic uint64_t head; /* next byte to reserve; producers */
	PA_ALIGNED(64) _Atomic uint64_t tail; /* next byte to read; consumer */
	_Atomic uint64_t dropped;             /* records refused because full */
};

/* size: a power of two >= 4096. 0, -EINVAL or -ENOMEM. A forked child cannot go on with the ring
 * of its parent, where a thread that it has not got may be filling a record: done and init. */
int pa_ring_init(struct pa_ring *r, size_t size) PA_CHECKED;
void pa_ring_done(struct pa_ring *r);

/* Space for one record of `bytes` (<= size / 4), 8-byte aligned and contiguous; NULL and counted
 * when full. Every reserved record must be committed. Signal-safe. */
void *pa_ring_reserve(struct pa_ring *r, uint32_t bytes) PA_CHECKED;
void pa_ring_commit(void *record);

/* The oldest committed record, or NULL; valid until pa_ring_pop. Consumer only. */
void *pa_ring_peek(struct pa_ring *r, uint32_t *ret_bytes);
void pa_ring_pop(struct pa_ring *r);

#endif
