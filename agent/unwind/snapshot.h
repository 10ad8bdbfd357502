/* SPDX-License-Identifier: Apache-2.0
 * What a walk looks addresses up in: all objects of the process, immutable but for tables that
 * are still being compiled. */
#ifndef PA_UNWIND_SNAPSHOT_H
#define PA_UNWIND_SNAPSHOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/modules.h"
#include "agent/unwind/object.h"
#include "agent/unwind/rows.h"

struct pa_snapshot_entry {
	struct pa_object object;
	/* NULL until compiled, &pa_table_empty when the object has no rows. Set once, with release;
	 * walks read it with acquire. */
	_Atomic(struct pa_table *) table;
	uint8_t failures; /* to read it. Agent thread only */
	bool starved;     /* has no rows only because the budget was used up. Agent thread only */
	bool kept;        /* the next snapshot has taken the table over. Agent thread only */
};

struct pa_snapshot {
	const uint64_t *starts; /* object.lo of each entry, ascending; objects do not overlap */
	uint32_t count;
	uint32_t generation;         /* grows with each one published; agent/base/modules.h */
	size_t bytes;                /* of the pages it lies in */
	struct pa_snapshot *retired; /* next older one waiting to be freed. Agent thread only */
	struct pa_snapshot_entry entries[];
};

/* The snapshot in force; NULL before the first update. A walk may use what it loaded here between
 * pa_snapshot_enter and pa_snapshot_leave. */
extern _Atomic(struct pa_snapshot *) pa_snapshot;

/* Walks in progress, in all threads.
 *
 * Why nothing is freed under a walk: it adds itself here (E), then loads pa_snapshot (L); the
 * agent stores pa_snapshot (S), then reads this counter (R). All four are sequentially
 * consistent, so in their one order either E comes before R, and R does not see zero; or R, and so
 * S, comes before E and L, and the walk loads the new snapshot. A zero read by R therefore means
 * that every walk that could have loaded an old snapshot has left; leaving is a release which R
 * acquires, so the walk's reads are over before the pages are unmapped.
 *
 * A host thread that leaves a walk by longjmp out of its own signal handler leaves the counter
 * above zero: old snapshots are then kept, and counted against the budget, until fork. */
extern _Atomic uint32_t pa_snapshot_readers;

static inline const struct pa_snapshot *pa_snapshot_enter(void)
{
	atomic_fetch_add_explicit(&pa_snapshot_readers, 1, memory_order_seq_cst);
	return atomic_load_explicit(&pa_snapshot, memory_order_seq_cst);
}

static inline void pa_snapshot_leave(void)
{
	atomic_fetch_sub_explicit(&pa_snapshot_readers, 1, memory_order_release);
}

/* Without a snapshot no object has been seen, let alone two at one address. */
static inline uint32_t pa_snapshot_generation(const struct pa_snapshot *s)
{
	return s ? s->generation : PA_MODULES_NOW;
}

/* The entry whose object contains pc, or NULL. Signal-safe. */
static inline const struct pa_snapshot_entry *pa_snapshot_find(const struct pa_snapshot *s,
							       uint64_t pc)
{
	uint32_t lo = 0, n = s->count;

	if (!n || pc < s->starts[0])
		return NULL;
	while (n > 1) {
		uint32_t half = n / 2;

		lo = s->starts[lo + half] <= pc ? lo + half : lo;
		n -= half;
	}
	return pc < s->entries[lo].object.hi ? &s->entries[lo] : NULL;
}

#endif
