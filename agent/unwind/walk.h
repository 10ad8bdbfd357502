/* SPDX-License-Identifier: Apache-2.0
 * A walk in progress: where it is, and the memory it may read. Between walk_sig.c, which goes from
 * frame to frame and from object to object, and step_sig.c, which finds one caller. */
#ifndef PA_UNWIND_WALK_H
#define PA_UNWIND_WALK_H

#include <string.h>

#include "agent/unwind/arch.h"
#include "agent/unwind/snapshot.h"
#include "agent/unwind/unwind.h"

/* Objects that may be unloaded and that a walk has found in place. */
#define PA_WALK_PRESENT_MAX 2

/* A register of the current frame: its value, or the stack address that has it. Most are never
 * asked for, so they are loaded, and checked, only then. */
struct pa_walk_reg {
	uint64_t at; /* 0: in `value`; PA_WALK_LOST: nowhere */
	uint64_t value;
};

/* Neither is the address of a word: they are odd. */
#define PA_WALK_LOST    1
#define PA_WALK_NO_VIEW 1

struct pa_frame {
	uint64_t pc, sp;
	struct pa_walk_reg fp, aux;
	bool exact; /* pc is of the instruction itself, not the return address behind a call */
};

struct pa_walk {
	const struct pa_snapshot *snap;
	const struct pa_stack_view *stack, *other;
	/* All registers of the newest exact frame: regs, or, when not NULL, a signal frame's. */
	const struct pa_regs *regs;
	const uint8_t *gregs;
	/* The view in use: an aligned word may be loaded at lo <= address <= lo + room. */
	uint64_t lo, room;
	uint64_t delta; /* where it lies minus its address */
	/* The object in use: pc - object_lo < object_len. */
	uint64_t object_lo, object_len;
	const struct pa_snapshot_entry *entry; /* NULL: in none */
	const struct pa_table *table;
	const struct pa_snapshot_entry *present[PA_WALK_PRESENT_MAX];
	unsigned present_next;
	unsigned signals;
	enum pa_walk_end end;
};

static inline bool pa_walk_load(const struct pa_walk *w, uint64_t addr, uint64_t *ret)
{
	if (pa_unlikely(addr - w->lo > w->room || addr & 7))
		return false;
	memcpy(ret, (const void *)(addr + w->delta), sizeof(*ret));
	return true;
}

static inline bool pa_plausible_code(uint64_t pc)
{
	return pc >= PA_ARCH_CODE_MIN && pc <= PA_ARCH_CODE_MAX;
}

/* Uses the view that sp is in, or none, in which nothing can be loaded. Signal-safe. */
void pa_walk_use_view(struct pa_walk *w, uint64_t sp);

/* Goes to the caller (or what a signal interrupted) of *f, at whose pc `rule` holds. False, with the
 * reason in w->end, when there is none or it cannot be found; the caller's pc is not checked.
 * Signal-safe. */
bool pa_walk_step(struct pa_walk *w, struct pa_frame *f, uint32_t rule);

#endif
