/* SPDX-License-Identifier: Apache-2.0
 * Walks a stack with the rows of the snapshot. Runs in signal handlers: no lock, no allocation,
 * no call but into the loader's lock-free lookup; bounded by the frames asked for, by the views,
 * and by the number of signal frames. */
#include <string.h>

#include "agent/base/peek.h"
#include "agent/unwind/arch.h"
#include "agent/unwind/snapshot.h"
#include "agent/unwind/unwind.h"

/* Signal frames in one stack; they are the only steps that need not go up. */
#define SIGNALS_MAX 16

/* Registers that assembler may push without saying so. */
#define LEAF_PUSHES_MAX 8

/* Objects that may be unloaded and that a walk has found in place. */
#define PRESENT_MAX 2

/* A frame pointer this far above the view may be right and the view cut short. */
#define VIEW_SLACK (UINT64_C(16) << 20)

_Atomic(struct pa_snapshot *) pa_snapshot;
_Atomic uint32_t pa_snapshot_readers;

/* A register of the current frame: its value, or the stack address that has it. Most are never
 * asked for, so they are loaded, and checked, only then. */
struct reg {
	uint64_t at; /* 0: in `value`; LOST: nowhere */
	uint64_t value;
};

/* Neither is the address of a word: they are odd. */
#define LOST    1
#define NO_VIEW 1

struct frame {
	uint64_t pc, sp;
	struct reg fp, aux;
	bool exact; /* pc is of the instruction itself, not the return address behind a call */
};

struct walk {
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
	const struct pa_snapshot_entry *present[PRESENT_MAX];
	unsigned present_next;
	unsigned signals;
	enum pa_walk_end end;
};

static inline bool load(const struct walk *w, uint64_t addr, uint64_t *ret)
{
	if (pa_unlikely(addr - w->lo > w->room || addr & 7))
		return false;
	memcpy(ret, (const void *)(addr + w->delta), sizeof(*ret));
	return true;
}

static inline bool reg_value(const struct walk *w, const struct reg *r, uint64_t *ret)
{
	/* Below the view lies only what the interrupted function had saved under its stack pointer:
	 * compilers leave the rule of a saved register as it is when an epilogue has popped it
	 * already, so the register itself has the value. */
	if (r->at && r->at != LOST && r->at < w->lo && w->lo != NO_VIEW) {
		*ret = r->value;
		return true;
	}
	if (r->at)
		return load(w, r->at, ret);
	*ret = r->value;
	return true;
}

static bool holds(const struct pa_stack_view *v, uint64_t sp)
{
	return v && v->lo < v->hi && v->hi - v->lo >= 8 && sp >= v->lo && sp < v->hi;
}

/* Uses the view that sp is in, or none, in which nothing can be loaded. */
static void use_view(struct walk *w, uint64_t sp)
{
	const struct pa_stack_view *v = holds(w->stack, sp) ? w->stack : w->other;

	if (!holds(v, sp)) {
		w->lo = NO_VIEW;
		w->room = 0;
		return;
	}
	w->lo = v->lo;
	w->room = v->hi - v->lo - 8;
	w->delta = (uint64_t)v->bytes - v->lo;
}

/* Goes on with what a signal interrupted. That may have been a thread that ran into its guard page
 * (the handler is on another stack then): what lies at its stack pointer need not be mapped. */
static void use_interrupted_view(struct walk *w, uint64_t sp)
{
	uint64_t end, lo;

	use_view(w, sp);
	if (w->lo == NO_VIEW || w->delta)
		return;
	end = w->lo + w->room + 8;
	lo = PA_MAX(sp - PA_MIN(sp, PA_STACK_RED_ZONE), w->lo) & ~UINT64_C(7);
	if (!pa_peek_span(lo, 1))
		lo = (sp | (PA_ARCH_PAGE - 1)) + 1;
	if (lo + 8 > end || !pa_peek_span(lo, 1)) {
		w->lo = NO_VIEW;
		w->room = 0;
		return;
	}
	w->lo = lo;
	w->room = end - lo - 8;
}

static void no_object(struct walk *w)
{
	w->entry = NULL;
	w->table = &pa_table_empty;
	w->object_lo = w->object_len = 0;
}

static void forget_present(struct walk *w)
{
	for (unsigned i = 0; i < PRESENT_MAX; i++)
		w->present[i] = NULL;
	w->present_next = 0;
}

/* As pa_object_present, but asked only once a walk for the objects seen last. */
static bool is_present(struct walk *w, const struct pa_snapshot_entry *e, uint64_t pc)
{
	if (e->object.permanent)
		return true;
	for (unsigned i = 0; i < PRESENT_MAX; i++)
		if (w->present[i] == e)
			return true;
	if (!pa_object_present(&e->object, pc))
		return false;
	w->present[w->present_next++ % PRESENT_MAX] = e;
	return true;
}

/* Makes the object at pc the current one; false when its rows are not ready, or the loader knows
 * another object there than the snapshot does. */
static bool enter_object(struct walk *w, uint64_t pc)
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

/* Ends the walk. */
static bool stop(struct walk *w, enum pa_walk_end end)
{
	w->end = end;
	return false;
}

/* An address that nothing was readable at. */
static bool stop_at(struct walk *w, uint64_t addr)
{
	uint64_t hi = w->lo + w->room + 8;

	if (w->lo == NO_VIEW || (addr >= hi - 7 && addr - (hi - 7) < VIEW_SLACK))
		return stop(w, PA_WALK_NO_STACK);
	return stop(w, PA_WALK_BROKEN);
}

static bool plausible_code(uint64_t pc)
{
	return pc >= PA_ARCH_CODE_MIN && pc <= PA_ARCH_CODE_MAX;
}

/* Whether ra can be nothing but a return address: the byte before it is inside a function whose
 * frame there is one that a call can be made from, which the ABI wants aligned. (A pointer to a
 * function has padding or a return before it.) Text is not read: the object may be going away. */
static bool is_return_address(const struct walk *w, uint64_t ra, uint64_t sp)
{
	const struct pa_snapshot_entry *e = pa_snapshot_find(w->snap, ra - 1);
	const struct pa_table *t;
	uint32_t rule;
	uint64_t frame;

	if (!e || ra - 1 < e->object.code_lo || ra > e->object.code_hi)
		return false;
	t = atomic_load_explicit(&e->table, memory_order_acquire);
	if (!t)
		return false;
	rule = pa_table_rule(t, (uint32_t)(ra - 1 - e->object.lo));
	if (PA_RULE_KIND(rule) == PA_RULE_FP)
		return true;
	frame = PA_RULE_N(rule) * UINT64_C(8);
	return PA_RULE_KIND(rule) == PA_RULE_SP && frame >= PA_ARCH_CALL_ALIGN &&
	       (sp + frame) % PA_ARCH_CALL_ALIGN == 0 && sp + frame - 8 - w->lo <= w->room;
}

/* The caller of a function that has no frame: pc was reached by a call and nothing has been
 * pushed since. Only for frames whose sp is that of the instruction at pc. */
static bool step_leaf(struct walk *w, struct frame *f)
{
	uint64_t ra;

	if (!load(w, f->sp, &ra) || !plausible_code(ra))
		return false;
	/* A call through a null pointer has no frame for certain. */
	if (f->pc >= PA_ARCH_CODE_MIN && !is_return_address(w, ra, f->sp + 8))
		return false;
	f->pc = ra;
	f->sp += 8;
	f->exact = false;
	return true;
}

static bool step_frame_pointer(struct walk *w, struct frame *f)
{
	uint64_t fp, ra;

	if (!reg_value(w, &f->fp, &fp))
		return f->fp.at == LOST ? stop(w, PA_WALK_BROKEN) : stop_at(w, f->fp.at);
	/* Zero marks the outermost frame, except where it may just be a number. */
	if (!fp)
		return stop(w, f->exact ? PA_WALK_BROKEN : PA_WALK_COMPLETE);
	if (fp & 7 || fp < f->sp)
		return stop(w, PA_WALK_BROKEN);
	if (!load(w, fp + 8, &ra))
		return stop_at(w, fp + 8);
	f->fp = (struct reg){.at = fp};
	f->aux.at = LOST;
	f->pc = ra;
	f->sp = fp + 16;
	f->exact = false;
	return true;
}

static bool step_without_rule(struct walk *w, struct frame *f)
{
	const struct pa_snapshot_entry *e = w->entry;
	uint64_t pc = f->pc - !f->exact;

	/* An address in an object's data is nowhere to go on from. */
	if (e && (pc < e->object.code_lo || pc >= e->object.code_hi))
		return stop(w, PA_WALK_BROKEN);
	return (f->exact && step_leaf(w, f)) || step_frame_pointer(w, f);
}

static uint64_t exact_reg(const struct walk *w, unsigned reg)
{
	return w->gregs ? pa_sigframe_reg(w->gregs, reg) : w->regs->r[reg];
}

static bool step_signal(struct walk *w, struct frame *f)
{
	uint64_t gregs = f->sp + PA_ARCH_SIGFRAME_GREGS;
	uint64_t last = gregs + 8 * (PA_ARCH_SIGFRAME_WORDS - 1);

	if (++w->signals > SIGNALS_MAX || f->sp & 7)
		return stop(w, PA_WALK_BROKEN);
	if (gregs - w->lo > w->room || last - w->lo > w->room)
		return stop_at(w, last);
	w->gregs = (const uint8_t *)(gregs + w->delta);
	*f = (struct frame){.pc = exact_reg(w, PA_REG_PC),
			    .sp = exact_reg(w, PA_REG_SP),
			    .fp.value = exact_reg(w, PA_REG_FP),
			    .aux.value = exact_reg(w, PA_REG_AUX),
			    .exact = true};
	use_interrupted_view(w, f->sp);
	return true;
}

/* Whether reg still has its value of the newest exact frame. No compiler relies on a scratch
 * register behind a call; assembler that has its CFA in one (OpenSSL's AES-GCM) calls only helpers
 * that leave it alone, and no CFI ever says that one was saved. */
static bool has_exact_value(const struct frame *f, unsigned reg)
{
	return reg < PA_REG_COUNT && (f->exact || PA_ARCH_SCRATCH_REGS >> reg & 1);
}

/* Value of any register in the current frame. */
static bool any_reg(const struct walk *w, const struct frame *f, unsigned reg, uint64_t *ret)
{
	if (reg == PA_REG_SP)
		*ret = f->sp;
	else if (has_exact_value(f, reg))
		*ret = exact_reg(w, reg);
	else if (reg == PA_REG_FP)
		return reg_value(w, &f->fp, ret);
	else if (reg == PA_REG_AUX)
		return reg_value(w, &f->aux, ret);
	else
		return false;
	return true;
}

static bool place(const struct walk *w, const struct frame *f, const struct pa_place *p,
		  uint64_t cfa, uint64_t *ret)
{
	uint64_t v, index;

	if (p->kind == PA_PLACE_CFA) {
		*ret = cfa + (uint64_t)(int64_t)p->off;
		return true;
	}
	if (!any_reg(w, f, p->reg, &v))
		return false;
	if (p->kind != PA_PLACE_IN)
		v += (uint64_t)(int64_t)p->off;
	if (p->scale) {
		if (!any_reg(w, f, p->index, &index))
			return false;
		v += index * p->scale;
	}
	if (p->kind == PA_PLACE_DEREF) {
		if (!load(w, v, &v))
			return false;
		v += (uint64_t)(int64_t)p->add;
	}
	*ret = v;
	return true;
}

static struct reg saved_reg(const struct walk *w, const struct frame *f, const struct reg *now,
			    const struct pa_place *p, uint64_t cfa)
{
	struct reg r = {.at = LOST};

	if (p->kind == PA_PLACE_SAME)
		return *now;
	if (p->kind != PA_PLACE_LOST && !place(w, f, p, cfa, &r.at))
		r.at = LOST;
	return r;
}

/* Functions that realign their stack push a copy of the return address in front of the saved
 * frame pointer. gcc (12) has the frame pointer's rule at *fp + 0 up to the end of such a function,
 * also where the register has been popped: then the copy is not there. */
static bool fp_was_popped(const struct walk *w, const struct frame *f, const struct pa_place *p,
			  uint64_t ra)
{
	uint64_t fp, copy;

	if (p->kind != PA_PLACE_REG || p->reg != PA_REG_FP || p->off || !f->exact)
		return false;
	return !reg_value(w, &f->fp, &fp) || !load(w, fp + 8, &copy) || copy != ra;
}

static bool step_wide(struct walk *w, struct frame *f, uint32_t rule)
{
	const struct pa_wide *wide = &w->table->wide[PA_RULE_WIDE_INDEX(rule)];
	struct frame next = {0};
	uint64_t cfa, ra;

	if (!place(w, f, &wide->cfa, 0, &cfa) || !place(w, f, &wide->ra, cfa, &ra))
		return stop(w, PA_WALK_BROKEN);
	/* A return address that was popped into a register leaves the CFA where sp is. */
	if (cfa & 7 || cfa < f->sp || (cfa == f->sp && wide->ra.kind != PA_PLACE_IN))
		return stop(w, PA_WALK_BROKEN);
	if (cfa - w->lo > w->room + 8)
		return stop_at(w, cfa);
	if (wide->ra.kind != PA_PLACE_IN && !load(w, ra, &ra))
		return stop_at(w, ra);
	next.pc = ra;
	next.sp = cfa;
	next.fp = fp_was_popped(w, f, &wide->fp, ra) ? f->fp
						     : saved_reg(w, f, &f->fp, &wide->fp, cfa);
	next.aux = saved_reg(w, f, &f->aux, &wide->aux, cfa);
	*f = next;
	return true;
}

/* Everything but the two common rules. True with the caller in *f (or the interrupted frame), or
 * false with the reason in w->end. Kept out of the loop so that its registers stay free. */
static __attribute__((noinline)) bool step_rare(struct walk *w, struct frame *f, uint32_t rule)
{
	switch (PA_RULE_KIND(rule)) {
	case PA_RULE_SIGNAL:
		return step_signal(w, f);
	case PA_RULE_END:
		return stop(w, PA_WALK_COMPLETE);
	case PA_RULE_WIDE:
		return step_wide(w, f, rule);
	default:
		return step_without_rule(w, f);
	}
}

/* Common rules: the CFA is a register plus a number, the return address lies below it. */
static inline bool step(struct walk *w, struct frame *f, uint32_t rule)
{
	unsigned kind = PA_RULE_KIND(rule);
	uint64_t fp_at = PA_RULE_FP_AT(rule) * UINT64_C(8);
	uint64_t aux_at = PA_RULE_AUX_AT(rule) * UINT64_C(8);
	uint64_t cfa = PA_RULE_N(rule) * UINT64_C(8);
	uint64_t fp;

	if (pa_likely(kind == PA_RULE_SP)) {
		cfa += f->sp;
	} else if (pa_likely(kind == PA_RULE_FP)) {
		if (pa_unlikely(!reg_value(w, &f->fp, &fp)))
			return f->fp.at == LOST ? stop(w, PA_WALK_BROKEN) : stop_at(w, f->fp.at);
		cfa += fp;
	} else if (kind == PA_RULE_PLT) {
		cfa = f->sp + 8 + ((f->pc & 15) >= PA_RULE_N(rule)) * UINT64_C(8);
	} else {
		struct frame copy = *f;
		bool more = step_rare(w, &copy, rule);

		*f = copy;
		return more;
	}
	if (pa_unlikely(cfa <= f->sp || cfa & 7))
		return stop(w, PA_WALK_BROKEN);
	if (pa_unlikely(!load(w, cfa + (uint64_t)PA_ARCH_RA_OFFSET, &f->pc)))
		return stop_at(w, cfa);
	f->sp = cfa;
	f->fp.at = fp_at ? cfa - fp_at : f->fp.at;
	f->aux.at = aux_at ? cfa - aux_at : f->aux.at;
	f->exact = false;
	return true;
}

/* Whether pc may be in code: it is an address, and not one of the stack. */
static inline bool credible_code(const struct walk *w, uint64_t pc)
{
	return plausible_code(pc) && pc - w->lo > w->room;
}

/* Whether the word at `at` is the frame pointer of a frame above sp: its return address tells. */
static bool holds_frame_pointer(const struct walk *w, uint64_t at, uint64_t sp)
{
	uint64_t fp, ra;

	return load(w, at, &fp) && fp >= sp && load(w, fp + 8, &ra) &&
	       is_return_address(w, ra, fp + 16);
}

/* Some assembler pushes registers and does not say so in its CFI (glibc 2.36: the mpn_ functions
 * behind printf of floating-point numbers). The return address found for the leaf is then no
 * address of code; the right one is a few words above, and the frame pointer may be below it. */
static __attribute__((noinline)) void search_leaf(const struct walk *w, struct frame *f,
						  uint64_t sp)
{
	uint64_t ra, at = sp;

	for (; at <= sp + 8 * LEAF_PUSHES_MAX; at += 8) {
		if (!load(w, at, &ra))
			return;
		if (is_return_address(w, ra, at + 8))
			break;
	}
	if (at > sp + 8 * LEAF_PUSHES_MAX)
		return;
	f->pc = ra;
	f->sp = at + 8;
	for (; sp < at; sp += 8)
		if (holds_frame_pointer(w, sp, f->sp))
			f->fp.at = sp;
}

/* Takes common steps as long as all is well, with everything in registers, and leaves the first
 * frame where it is not, or that another object begins with, to the caller. Returns the new n. */
static int follow(const struct walk *w, struct frame *f, uint64_t *frames, int n, int max)
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
		if (pa_unlikely(!plausible_code(pc))) {
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
static int walk_frames(struct walk *w, struct frame f, uint64_t *frames, int max)
{
	int n = 0;

	for (;;) {
		uint64_t pc = f.pc - !f.exact, sp = f.sp;
		bool leaf = f.exact;
		uint32_t rule;

		if (pa_unlikely(n == max)) {
			w->end = PA_WALK_TRUNCATED;
			return n;
		}
		if (pa_unlikely(pc - w->object_lo >= w->object_len) && !enter_object(w, pc)) {
			frames[n++] = pc;
			w->end = PA_WALK_NO_TABLE;
			return n;
		}
		rule = pa_table_rule(w->table, (uint32_t)(pc - w->object_lo));
		frames[n] = pc;
		n += PA_RULE_KIND(rule) != PA_RULE_SIGNAL;
		if (pa_unlikely(!step(w, &f, rule)))
			return n ? n : 1;
		if (pa_unlikely(f.exact))
			continue;
		if (pa_unlikely(leaf) && f.pc && !credible_code(w, f.pc))
			search_leaf(w, &f, sp);
		if (pa_unlikely(!plausible_code(f.pc))) {
			w->end = f.pc ? PA_WALK_BROKEN : PA_WALK_COMPLETE;
			return n;
		}
		n = follow(w, &f, frames, n, max);
	}
}

int pa_unwind_walk(const struct pa_regs *regs, const struct pa_stack_view *stack,
		   const struct pa_stack_view *other, uint64_t *frames, int max,
		   enum pa_walk_end *ret_end)
{
	struct frame f = {.pc = regs->r[PA_REG_PC],
			  .sp = regs->r[PA_REG_SP],
			  .fp.value = regs->r[PA_REG_FP],
			  .aux.value = regs->r[PA_REG_AUX],
			  .exact = true};
	struct walk w;
	int n;

	w.snap = pa_snapshot_enter();
	w.stack = stack;
	w.other = other;
	w.regs = regs;
	w.gregs = NULL;
	w.signals = 0;
	forget_present(&w);
	no_object(&w);
	use_view(&w, f.sp);
	n = walk_frames(&w, f, frames, max);
	pa_snapshot_leave();
	*ret_end = w.end;
	return n;
}

bool pa_unwind_ready(uint64_t pc)
{
	struct walk w;
	bool ready;

	w.snap = pa_snapshot_enter();
	forget_present(&w);
	ready = enter_object(&w, pc);
	pa_snapshot_leave();
	return ready;
}
