/* SPDX-License-Identifier: Apache-2.0
 * What stands before each record of a ring, shared by its two sides.
 *
 * Invariant: every byte of the ring outside [tail, head) is zero. The consumer keeps it by
 * clearing whole records, payload included, before it gives them back: where headers will lie on
 * the next lap is not known yet, and old payload must never read as a committed header. So the
 * state of a record that was reserved but not committed is zero. */
#ifndef PA_BASE_RING_RECORD_H
#define PA_BASE_RING_RECORD_H

#include <stdatomic.h>
#include <stdint.h>

enum { PA_RING_OPEN, PA_RING_RECORD, PA_RING_SKIP };

struct pa_ring_header {
	uint32_t bytes;         /* of payload, as asked for */
	_Atomic uint32_t state; /* stored last, with release */
};

/* Bytes of the ring that a record takes; headers are 8-byte aligned. */
static inline uint64_t pa_ring_extent(uint64_t bytes)
{
	return sizeof(struct pa_ring_header) + ((bytes + 7) & ~7ull);
}

#endif
