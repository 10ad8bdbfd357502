/* SPDX-License-Identifier: Apache-2.0
 * From a state of the CFI machine to the smallest rule that holds it. */
#include "agent/unwind/arch.h"
#include "agent/unwind/cfi.h"

#define DW_OP_deref       0x06
#define DW_OP_and         0x1a
#define DW_OP_mul         0x1e
#define DW_OP_plus        0x22
#define DW_OP_plus_uconst 0x23
#define DW_OP_shl         0x24
#define DW_OP_ge          0x2a
#define DW_OP_lit0        0x30
#define DW_OP_lit3        0x33
#define DW_OP_lit15       0x3f
#define DW_OP_lit31       0x4f
#define DW_OP_breg0       0x70
#define DW_OP_breg31      0x8f

static bool fits_int32(int64_t v)
{
	return v >= INT32_MIN && v <= INT32_MAX;
}

/* sp + 8 + ((pc & 15) >= n) * 8, as binutils writes it for .plt: an entry that pushes its number
 * before byte n and jumps behind it. */
static bool plt_expression(const uint8_t *expr, size_t len, int32_t *ret_n)
{
	static const uint8_t head[] = {
		DW_OP_breg0 + PA_REG_SP, 8, DW_OP_breg0 + PA_REG_PC, 0, DW_OP_lit15, DW_OP_and};
	static const uint8_t tail[] = {DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus};
	uint8_t lit;

	if (len != sizeof(head) + 1 + sizeof(tail) || memcmp(expr, head, sizeof(head)) != 0 ||
	    memcmp(expr + sizeof(head) + 1, tail, sizeof(tail)) != 0)
		return false;
	lit = expr[sizeof(head)];
	if (lit < DW_OP_lit0 || lit > DW_OP_lit15)
		return false;
	*ret_n = lit - DW_OP_lit0;
	return true;
}

/* The term " + index * scale", if there is one: OpenSSL's bn_mul_mont keeps the caller's stack
 * pointer behind an array of r9 words. A malformed one makes d bad. */
static void index_expression(struct pa_dwarf *d, struct pa_place *p)
{
	uint8_t reg, lit;

	if (d->p == d->end || *d->p < DW_OP_breg0 || *d->p >= DW_OP_breg0 + PA_REG_PC)
		return;
	reg = pa_dwarf_u8(d) - DW_OP_breg0;
	d->bad |= pa_dwarf_sleb(d) != 0;
	lit = pa_dwarf_u8(d);
	d->bad |= lit < DW_OP_lit0 || lit > DW_OP_lit31 || pa_dwarf_u8(d) != DW_OP_mul ||
		  pa_dwarf_u8(d) != DW_OP_plus;
	p->index = reg;
	p->scale = lit - DW_OP_lit0;
}

struct pa_place pa_cfi_expression(const uint8_t *expr, size_t len)
{
	struct pa_dwarf d = {.p = expr, .end = expr + len};
	struct pa_place p = {.kind = PA_PLACE_REG};
	const struct pa_place bad = {.kind = PA_PLACE_BAD};
	uint64_t add = 0;
	int64_t off;
	uint8_t op;

	if (plt_expression(expr, len, &p.off)) {
		p.kind = PA_PLACE_PLT;
		return p;
	}
	op = pa_dwarf_u8(&d);
	off = pa_dwarf_sleb(&d);
	if (d.bad || op < DW_OP_breg0 || op >= DW_OP_breg0 + PA_REG_PC || !fits_int32(off))
		return bad;
	p.reg = op - DW_OP_breg0;
	p.off = (int32_t)off;
	index_expression(&d, &p);
	if (d.bad)
		return bad;
	if (d.p == d.end)
		return p;
	if (pa_dwarf_u8(&d) != DW_OP_deref)
		return bad;
	p.kind = PA_PLACE_DEREF;
	if (d.p < d.end) {
		if (pa_dwarf_u8(&d) != DW_OP_plus_uconst)
			return bad;
		add = pa_dwarf_uleb(&d);
	}
	if (d.bad || d.p != d.end || add > INT32_MAX)
		return bad;
	p.add = (int32_t)add;
	return p;
}

/* How a narrow rule says where a register is: its slot number, or -1. */
static int slot_of(const struct pa_place *p, int max)
{
	if (p->kind == PA_PLACE_SAME)
		return 0;
	if (p->kind != PA_PLACE_CFA || p->off >= 0 || p->off % 8 || p->off < -8 * max)
		return -1;
	return -p->off / 8;
}

static bool narrow_rule(const struct pa_cfi_state *s, uint32_t *ret_rule)
{
	const struct pa_place *ra = &s->column[PA_CFI_RA];
	int fp = slot_of(&s->column[PA_CFI_FP], PA_RULE_FP_MAX);
	int aux = slot_of(&s->column[PA_CFI_AUX], PA_RULE_AUX_MAX);
	int32_t off = s->cfa.off;

	if (ra->kind != PA_PLACE_CFA || ra->off != PA_ARCH_RA_OFFSET || fp < 0 || aux < 0)
		return false;
	if (s->cfa.kind == PA_PLACE_PLT) {
		*ret_rule = PA_RULE(PA_RULE_PLT, off, fp, aux);
		return true;
	}
	if (s->cfa.kind != PA_PLACE_REG || s->cfa.scale || off < 0 || off % 8 ||
	    off / 8 > PA_RULE_N_MAX)
		return false;
	if (s->cfa.reg != PA_REG_SP && s->cfa.reg != PA_REG_FP)
		return false;
	*ret_rule = PA_RULE(s->cfa.reg == PA_REG_SP ? PA_RULE_SP : PA_RULE_FP, off / 8, fp, aux);
	return true;
}

/* Where a wide rule finds a register; LOST and counted when nothing can say it. */
static struct pa_place wide_place(const struct pa_place *p, struct pa_rows *rows)
{
	if (p->kind == PA_PLACE_BAD || p->kind == PA_PLACE_IN || p->kind == PA_PLACE_PLT) {
		rows->inexpressible++;
		return (struct pa_place){.kind = PA_PLACE_LOST};
	}
	return *p;
}

int pa_cfi_rule(const struct pa_cfi_state *s, bool signal_frame, struct pa_rows *rows,
		uint32_t *ret_rule)
{
	const struct pa_place *ra = &s->column[PA_CFI_RA];
	struct pa_wide wide;

	if (signal_frame) {
		*ret_rule = PA_RULE(PA_RULE_SIGNAL, 0, 0, 0);
		return 0;
	}
	if (ra->kind == PA_PLACE_LOST) {
		*ret_rule = PA_RULE(PA_RULE_END, 0, 0, 0);
		return 0;
	}
	if (s->column[PA_CFI_SP].kind == PA_PLACE_SAME && narrow_rule(s, ret_rule))
		return 0;
	/* The stack pointer of the caller is the CFA in every function that returns; setcontext and
	 * the like load it from elsewhere. */
	if (s->column[PA_CFI_SP].kind != PA_PLACE_SAME ||
	    (s->cfa.kind != PA_PLACE_REG && s->cfa.kind != PA_PLACE_DEREF) ||
	    (ra->kind != PA_PLACE_CFA && ra->kind != PA_PLACE_IN)) {
		rows->inexpressible++;
		*ret_rule = PA_RULE(PA_RULE_NONE, 0, 0, 0);
		return 0;
	}
	memset(&wide, 0, sizeof(wide));
	wide.cfa = s->cfa;
	wide.ra = *ra;
	wide.fp = wide_place(&s->column[PA_CFI_FP], rows);
	wide.aux = wide_place(&s->column[PA_CFI_AUX], rows);
	return pa_rows_wide(rows, &wide, ret_rule);
}
