/* SPDX-License-Identifier: Apache-2.0
 * One step of a walk, by any rule, and without one: frame pointers, leaves of assembler, signal
 * frames. */
#include "agent/base/peek.h"
#include "agent/unwind/walk.h"

/* Signal frames in one stack; they are the only steps that need not go up. */
#define SIGNALS_MAX 16

/* Registers that assembler may push without saying so. */
#define LEAF_PUSHES_MAX 8

/* A frame pointer this far above the view may be right and the view cut short. */
#define VIEW_SLACK (UINT64_C(16) << 20)

static bool reg_value(const struct pa_walk *w, const struct pa_walk_reg *r, uint64_t *ret)
{
	/* Below the view lies only what the interrupted function had saved under its stack pointer:
	 * compilers leave the rule of a saved register as it is when an epilogue has popped it
	 * already, so the register itself has the value. */
	if (r->at && r->at != PA_WALK_LOST && r->at < w->lo && w->lo != PA_WALK_NO_VIEW) {
		*ret = r->value;
		return true;
	}
	if (r->at)
		return pa_walk_load(w, r->at, ret);
	*ret = r->value;
	return true;
}

/* Ends the walk. */
static bool stop(struct pa_walk *w, enum pa_walk_end end)
{
	w->end = end;
	return false;
}

/* An address that nothing was readable at. */
static bool stop_at(struct pa_walk *w, uint64_t addr)
{
	uint64_t hi = w->lo + w->room + 8;

	if (w->lo == PA_WALK_NO_VIEW || (addr >= hi - 7 && addr - (hi - 7) < VIEW_SLACK))
		return stop(w, PA_WALK_NO_STACK);
	return stop(w, PA_WALK_BROKEN);
}

/* Goes on with what a signal interrupted. That may have been a thread that ran into its guard page
 * (the handler is on another stack then): what lies at its stack pointer need not be mapped. */
static void use_interrupted_view(struct pa_walk *w, uint64_t sp)
{
	uint64_t end, lo;

	pa_walk_use_view(w, sp);
	if (w->lo == PA_WALK_NO_VIEW || w->delta)
		return;
	end = w->lo + w->room + 8;
	lo = PA_MAX(sp - PA_MIN(sp, PA_STACK_RED_ZONE), w->lo) & ~UINT64_C(7);
	if (!pa_peek_span(lo, 1))
		lo = (sp | (PA_ARCH_PAGE - 1)) + 1;
	if (lo + 8 > end || !pa_peek_span(lo, 1)) {
		w->lo = PA_WALK_NO_VIEW;
		w->room = 0;
		return;
	}
	w->lo = lo;
	w->room = end - lo - 8;
}

/* Whether ra can be nothing but a return address: the byte before it is inside a function whose
 * frame there is one that a call can be made from, which the ABI wants aligned. (A pointer to a
 * function has padding or a return before it.) Text is not read: the object may be going away. */
static bool is_return_address(const struct pa_walk *w, uint64_t ra, uint64_t sp)
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
static bool step_leaf(struct pa_walk *w, struct pa_frame *f)
{
	uint64_t ra;

	if (!pa_walk_load(w, f->sp, &ra) || !pa_plausible_code(ra))
		return false;
	/* A call through a null pointer has no frame for certain. */
	if (f->pc >= PA_ARCH_CODE_MIN && !is_return_address(w, ra, f->sp + 8))
		return false;
	f->pc = ra;
	f->sp += 8;
	f->exact = false;
	return true;
}

static bool step_frame_pointer(struct pa_walk *w, struct pa_frame *f)
{
	uint64_t fp, ra;

	if (!reg_value(w, &f->fp, &fp))
		return f->fp.at == PA_WALK_LOST ? stop(w, PA_WALK_BROKEN) : stop_at(w, f->fp.at);
	/* Zero marks the outermost frame, except where it may just be a number. */
	if (!fp)
		return stop(w, f->exact ? PA_WALK_BROKEN : PA_WALK_COMPLETE);
	if (fp & 7 || fp < f->sp)
		return stop(w, PA_WALK_BROKEN);
	if (!pa_walk_load(w, fp + 8, &ra))
		return stop_at(w, fp + 8);
	f->fp = (struct pa_walk_reg){.at = fp};
	f->aux.at = PA_WALK_LOST;
	f->pc = ra;
	f->sp = fp + 16;
	f->exact = false;
	return true;
}

static bool step_without_rule(struct pa_walk *w, struct pa_frame *f)
{
	const struct pa_snapshot_entry *e = w->entry;
	uint64_t pc = f->pc - !f->exact;

	/* An address in an object's data is nowhere to go on from. */
	if (e && (pc < e->object.code_lo || pc >= e->object.code_hi))
		return stop(w, PA_WALK_BROKEN);
	return (f->exact && step_leaf(w, f)) || step_frame_pointer(w, f);
}

static uint64_t exact_reg(const struct pa_walk *w, unsigned reg)
{
	return w->gregs ? pa_sigframe_reg(w->gregs, reg) : w->regs->r[reg];
}

static bool step_signal(struct pa_walk *w, struct pa_frame *f)
{
	uint64_t gregs = f->sp + PA_ARCH_SIGFRAME_GREGS;
	uint64_t last = gregs + 8 * (PA_ARCH_SIGFRAME_WORDS - 1);

	if (++w->signals > SIGNALS_MAX || f->sp & 7)
		return stop(w, PA_WALK_BROKEN);
	if (gregs - w->lo > w->room || last - w->lo > w->room)
		return stop_at(w, last);
	w->gregs = (const uint8_t *)(gregs + w->delta);
	*f = (struct pa_frame){.pc = exact_reg(w, PA_REG_PC),
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
static bool has_exact_value(const struct pa_frame *f, unsigned reg)
{
	return reg < PA_REG_COUNT && (f->exact || PA_ARCH_SCRATCH_REGS >> reg & 1);
}

/* Value of any register in the current frame. */
static bool any_reg(const struct pa_walk *w, const struct pa_frame *f, unsigned reg, uint64_t *ret)
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

static bool place(const struct pa_walk *w, const struct pa_frame *f, const struct pa_place *p,
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
		if (!pa_walk_load(w, v, &v))
			return false;
		v += (uint64_t)(int64_t)p->add;
	}
	*ret = v;
	return true;
}

static struct pa_walk_reg saved_reg(const struct pa_walk *w, const struct pa_frame *f,
				    const struct pa_walk_reg *now, const struct pa_place *p,
				    uint64_t cfa)
{
	struct pa_walk_reg r = {.at = PA_WALK_LOST};

	if (p->kind == PA_PLACE_SAME)
		return *now;
	if (p->kind != PA_PLACE_LOST && !place(w, f, p, cfa, &r.at))
		r.at = PA_WALK_LOST;
	return r;
}

/* Functions that realign their stack push a copy of the return address in front of the saved
 * frame pointer. gcc (12) has the frame pointer's rule at *fp + 0 up to the end of such a function,
 * also where the register has been popped: then the copy is not there. */
static bool fp_was_popped(const struct pa_walk *w, const struct pa_frame *f,
			  const struct pa_place *p, uint64_t ra)
{
	uint64_t fp, copy;

	if (p->kind != PA_PLACE_REG || p->reg != PA_REG_FP || p->off || !f->exact)
		return false;
	return !reg_value(w, &f->fp, &fp) || !pa_walk_load(w, fp + 8, &copy) || copy != ra;
}

static bool step_wide(struct pa_walk *w, struct pa_frame *f, uint32_t rule)
{
	const struct pa_wide *wide = &w->table->wide[PA_RULE_WIDE_INDEX(rule)];
	struct pa_frame next = {0};
	uint64_t cfa, ra;

	if (!place(w, f, &wide->cfa, 0, &cfa) || !place(w, f, &wide->ra, cfa, &ra))
		return stop(w, PA_WALK_BROKEN);
	/* A return address that was popped into a register leaves the CFA where sp is. */
	if (cfa & 7 || cfa < f->sp || (cfa == f->sp && wide->ra.kind != PA_PLACE_IN))
		return stop(w, PA_WALK_BROKEN);
	if (cfa - w->lo > w->room + 8)
		return stop_at(w, cfa);
	if (wide->ra.kind != PA_PLACE_IN && !pa_walk_load(w, ra, &ra))
		return stop_at(w, ra);
	next.pc = ra;
	next.sp = cfa;
	next.fp = fp_was_popped(w, f, &wide->fp, ra) ? f->fp
						     : saved_reg(w, f, &f->fp, &wide->fp, cfa);
	next.aux = saved_reg(w, f, &f->aux, &wide->aux, cfa);
	*f = next;
	return true;
}

/* Rules whose CFA is a register plus a number; the return address lies below it. */
static bool step_common(struct pa_walk *w, struct pa_frame *f, uint32_t rule)
{
	unsigned kind = PA_RULE_KIND(rule);
	uint64_t fp_at = PA_RULE_FP_AT(rule) * UINT64_C(8);
	uint64_t aux_at = PA_RULE_AUX_AT(rule) * UINT64_C(8);
	uint64_t cfa = PA_RULE_N(rule) * UINT64_C(8);
	uint64_t fp;

	if (kind == PA_RULE_SP) {
		cfa += f->sp;
	} else if (kind == PA_RULE_FP) {
		if (!reg_value(w, &f->fp, &fp))
			return f->fp.at == PA_WALK_LOST ? stop(w, PA_WALK_BROKEN)
							: stop_at(w, f->fp.at);
		cfa += fp;
	} else {
		cfa = f->sp + 8 + ((f->pc & 15) >= PA_RULE_N(rule)) * UINT64_C(8);
	}
	if (cfa <= f->sp || cfa & 7)
		return stop(w, PA_WALK_BROKEN);
	if (!pa_walk_load(w, cfa + (uint64_t)PA_ARCH_RA_OFFSET, &f->pc))
		return stop_at(w, cfa);
	f->sp = cfa;
	f->fp.at = fp_at ? cfa - fp_at : f->fp.at;
	f->aux.at = aux_at ? cfa - aux_at : f->aux.at;
	f->exact = false;
	return true;
}

/* Whether the word at `at` is the frame pointer of a frame above sp: its return address tells. */
static bool holds_frame_pointer(const struct pa_walk *w, uint64_t at, uint64_t sp)
{
	uint64_t fp, ra;

	return pa_walk_load(w, at, &fp) && fp >= sp && pa_walk_load(w, fp + 8, &ra) &&
	       is_return_address(w, ra, fp + 16);
}

/* Some assembler pushes registers and does not say so in its CFI (glibc 2.36: the mpn_ functions
 * behind printf of floating-point numbers). The return address found for the leaf is then no
 * address of code; the right one is a few words above, and the frame pointer may be below it. */
static void search_leaf(const struct pa_walk *w, struct pa_frame *f, uint64_t sp)
{
	uint64_t ra, at = sp;

	for (; at <= sp + 8 * LEAF_PUSHES_MAX; at += 8) {
		if (!pa_walk_load(w, at, &ra))
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

/* Whether pc may be in code: it is an address, and not one of the stack. */
static bool credible_code(const struct pa_walk *w, uint64_t pc)
{
	return pa_plausible_code(pc) && pc - w->lo > w->room;
}

static bool step(struct pa_walk *w, struct pa_frame *f, uint32_t rule)
{
	switch (PA_RULE_KIND(rule)) {
	case PA_RULE_SP:
	case PA_RULE_FP:
	case PA_RULE_PLT:
		return step_common(w, f, rule);
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

bool pa_walk_step(struct pa_walk *w, struct pa_frame *f, uint32_t rule)
{
	bool leaf = f->exact;
	uint64_t sp = f->sp;

	if (!step(w, f, rule))
		return false;
	if (leaf && !f->exact && f->pc && !credible_code(w, f->pc))
		search_leaf(w, f, sp);
	return true;
}
