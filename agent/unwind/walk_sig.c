/* SPDX-License-Identifier: Apache-2.0
 * Walks a stack with the rows of the snapshot. Runs in signal handlers: no lock, no allocation,
 * no call but into the loader's lock-free lookup and the kernel; bounded by the frames asked for,
 * by the views, and by the number of signal frames. */
#include "agent/unwind/walk.h"

_Atomic(struct pa_snapshot *) pa_snapshot;
_Atomic uint32_t pa_snapshot_readers;

static bool holds(const struct pa_stack_view *v, uint64_t sp)
{
	return v && v->lo < v->hi && v->hi - v->lo >= 8 && sp >= v->lo && sp < v->hi;
}

void pa_walk_use_view(struct pa_walk *w, uint64_t sp)
{
	const struct pa_stack_view *v = holds(w->stack, sp) ? w->stack : w->other;

	if (!holds(v, sp)) {
		w->lo = PA_WALK_NO_VIEW;
		w->room = w->delta = 0;
		return;
	}
	w->lo = v->lo;
	w->room = v->hi - v->lo - 8;
	w->delta = (uint64_t)v->bytes - v->lo;
}

static void no_object(struct pa_walk *w)
{
	w->entry = NULL;
	w->table = &pa_table_empty;
	w->object_lo = w->object_len = 0;
}

static void forget_present(struct pa_walk *w)
{
	for (unsigned i = 0; i < PA_WALK_PRESENT_MAX; i++)
		w->present[i] = NULL;
	w->present_next = 0;
}

/* As pa_object_present, but asked only once a walk for the objects seen last. */
static bool is_present(struct pa_walk *w, const struct pa_snapshot_entry *e, uint64_t pc)
{
	if (e->object.permanent)
		return true;
	for (unsigned i = 0; i < PA_WALK_PRESENT_MAX; i++)
		if (w->present[i] == e)
			return true;
	if (!pa_object_present(&e->object, pc))
		return false;
	w->present[w->present_next++ % PA_WALK_PRESENT_MAX] = e;
	return true;
}

/* Makes the object at pc the current one; false when its rows are not ready, or the loader knows
 * another object there than the snapshot does. */
static bool enter_object(struct pa_walk *w, uint64_t pc)
{
	const struct pa_snapshot_entry *e = w->snap ? pa_snapshot_find(w->snap, pc) : NULL;
	const struct pa_table *t;

	no_object(w);
	if (!e)
		return w->snap && !pa_object_loader(pc).link_map;
	if (!is_present(w, e, pc))
		return false;
	t = atomic_load_explicit(&e->table, memory_order_acquire);
	if (!t)
		return false;
	w->entry = e;
	w->table = t;
	w->object_lo = e->object.lo;
	w->object_len = e->object.hi - e->object.lo;
	return true;
}

/* Takes common steps as long as all is well, with everything in registers, and leaves the first
 * frame where it is not, or that another object begins with, to the caller. Returns the new n. */
static int follow(const struct pa_walk *w, struct pa_frame *f, uint64_t *frames, int n, int max)
{
	const struct pa_table *t = w->table;
	const uint64_t object_lo = w->object_lo, object_len = w->object_len;
	const uint64_t lo = w->lo, room = w->room, delta = w->delta;
	uint64_t pc = f->pc - 1, sp = f->sp, fp_at = f->fp.at, aux_at = f->aux.at;

	while (n < max && pc - object_lo < object_len) {
		uint32_t rule = pa_table_rule(t, (uint32_t)(pc - object_lo));
		uint64_t fp_slot = PA_RULE_FP_AT(rule), aux_slot = PA_RULE_AUX_AT(rule);
		uint64_t cfa = PA_RULE_N(rule) * UINT64_C(8), base = sp, ra_at;

		if (pa_unlikely(PA_RULE_KIND(rule) != PA_RULE_SP)) {
			if (PA_RULE_KIND(rule) != PA_RULE_FP || fp_at - lo > room || fp_at & 7)
				break;
			memcpy(&base, (const void *)(fp_at + delta), sizeof(base));
		}
		cfa += base;
		ra_at = cfa + (uint64_t)PA_ARCH_RA_OFFSET;
		if (pa_unlikely(cfa <= sp || cfa & 7 || ra_at - lo > room))
			break;
		frames[n] = pc;
		memcpy(&pc, (const void *)(ra_at + delta), sizeof(pc));
		if (pa_unlikely(!pa_plausible_code(pc))) {
			pc = frames[n];
			break;
		}
		n++;
		pc--;
		sp = cfa;
		fp_at = fp_slot ? cfa - 8 * fp_slot : fp_at;
		aux_at = aux_slot ? cfa - 8 * aux_slot : aux_at;
	}
	f->pc = pc + 1;
	f->sp = sp;
	f->fp.at = fp_at;
	f->aux.at = aux_at;
	return n;
}

/* Signal trampolines are stepped over silently: the handler was not called from there. */
static int walk_frames(struct pa_walk *w, struct pa_frame f, uint64_t *frames, int max)
{
	int n = 0;

	for (;;) {
		uint64_t pc = f.pc - !f.exact;
		uint32_t rule;

		if (n == max) {
			w->end = PA_WALK_TRUNCATED;
			return n;
		}
		if (pc - w->object_lo >= w->object_len && !enter_object(w, pc)) {
			frames[n++] = pc;
			w->end = PA_WALK_NO_TABLE;
			return n;
		}
		rule = pa_table_rule(w->table, (uint32_t)(pc - w->object_lo));
		frames[n] = pc;
		n += PA_RULE_KIND(rule) != PA_RULE_SIGNAL;
		if (!pa_walk_step(w, &f, rule))
			return n ? n : 1;
		if (f.exact)
			continue;
		if (!pa_plausible_code(f.pc)) {
			w->end = f.pc ? PA_WALK_BROKEN : PA_WALK_COMPLETE;
			return n;
		}
		n = follow(w, &f, frames, n, max);
	}
}

int pa_unwind_walk(const struct pa_regs *regs, const struct pa_stack_view *stack,
		   const struct pa_stack_view *other, uint64_t *frames, int max,
		   enum pa_walk_end *ret_end, uint32_t *ret_generation)
{
	struct pa_frame f = {.pc = regs->r[PA_REG_PC],
			     .sp = regs->r[PA_REG_SP],
			     .fp.value = regs->r[PA_REG_FP],
			     .aux.value = regs->r[PA_REG_AUX],
			     .exact = true};
	struct pa_walk w;
	int n;

	w.snap = pa_snapshot_enter();
	w.stack = stack;
	w.other = other;
	w.regs = regs;
	w.gregs = NULL;
	w.signals = 0;
	forget_present(&w);
	no_object(&w);
	pa_walk_use_view(&w, f.sp);
	n = walk_frames(&w, f, frames, max);
	if (ret_generation)
		*ret_generation = pa_snapshot_generation(w.snap);
	pa_snapshot_leave();
	*ret_end = w.end;
	return n;
}

uint32_t pa_unwind_generation(void)
{
	uint32_t generation = pa_snapshot_generation(pa_snapshot_enter());

	pa_snapshot_leave();
	return generation;
}

bool pa_unwind_ready(uint64_t pc)
{
	struct pa_walk w;
	bool ready;

	w.snap = pa_snapshot_enter();
	forget_present(&w);
	ready = enter_object(&w, pc);
	pa_snapshot_leave();
	return ready;
}
