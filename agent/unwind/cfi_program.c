/* SPDX-License-Identifier: Apache-2.0
 * The machine that runs call frame instructions. */
#include <errno.h>

#include "agent/unwind/arch.h"
#include "agent/unwind/cfi.h"

/* Compilers nest DW_CFA_remember_state once or twice. */
#define STATES_MAX 16

#define DW_CFA_advance_loc                  0x40
#define DW_CFA_offset                       0x80
#define DW_CFA_restore                      0xc0
#define DW_CFA_nop                          0x00
#define DW_CFA_set_loc                      0x01
#define DW_CFA_advance_loc1                 0x02
#define DW_CFA_advance_loc2                 0x03
#define DW_CFA_advance_loc4                 0x04
#define DW_CFA_offset_extended              0x05
#define DW_CFA_restore_extended             0x06
#define DW_CFA_undefined                    0x07
#define DW_CFA_same_value                   0x08
#define DW_CFA_register                     0x09
#define DW_CFA_remember_state               0x0a
#define DW_CFA_restore_state                0x0b
#define DW_CFA_def_cfa                      0x0c
#define DW_CFA_def_cfa_register             0x0d
#define DW_CFA_def_cfa_offset               0x0e
#define DW_CFA_def_cfa_expression           0x0f
#define DW_CFA_expression                   0x10
#define DW_CFA_offset_extended_sf           0x11
#define DW_CFA_def_cfa_sf                   0x12
#define DW_CFA_def_cfa_offset_sf            0x13
#define DW_CFA_val_offset                   0x14
#define DW_CFA_val_offset_sf                0x15
#define DW_CFA_val_expression               0x16
#define DW_CFA_MIPS_advance_loc8            0x1d
#define DW_CFA_GNU_args_size                0x2e
#define DW_CFA_GNU_negative_offset_extended 0x2f

struct machine {
	struct pa_dwarf d;
	const struct pa_cfi_cie *cie;
	struct pa_cfi_state s;
	uint64_t pc, end; /* rows are emitted for [pc, end) */
	uint64_t base;
	struct pa_rows *rows; /* NULL while the CIE's own instructions run */
	struct pa_cfi_state stack[STATES_MAX];
	unsigned depth;
	int error; /* -ENOMEM */
};

static struct pa_place *column_of(struct machine *m, uint64_t reg)
{
	switch (reg) {
	case PA_REG_FP:
		return &m->s.column[PA_CFI_FP];
	case PA_REG_AUX:
		return &m->s.column[PA_CFI_AUX];
	case PA_REG_PC:
		return &m->s.column[PA_CFI_RA];
	case PA_REG_SP:
		return &m->s.column[PA_CFI_SP];
	default:
		return NULL;
	}
}

static void set_place(struct machine *m, uint64_t reg, struct pa_place place)
{
	struct pa_place *column = column_of(m, reg);

	if (column)
		*column = place;
}

static void set_kind(struct machine *m, uint64_t reg, enum pa_place_kind kind)
{
	set_place(m, reg, (struct pa_place){.kind = kind});
}

static struct pa_place place_at(enum pa_place_kind kind, uint64_t reg, int64_t off)
{
	if (off < INT32_MIN || off > INT32_MAX || reg > UINT8_MAX)
		return (struct pa_place){.kind = PA_PLACE_BAD};
	return (struct pa_place){.kind = kind, .reg = (uint8_t)reg, .off = (int32_t)off};
}

/* An operand in units of the data alignment; what overflows is out of every rule's range. */
static int64_t factored(struct machine *m, int64_t n)
{
	int64_t v;

	if (__builtin_mul_overflow(n, m->cie->data_align, &v))
		return INT64_MAX;
	return v;
}

/* ULEB operands above that are no offset of a real stack. */
static int64_t unsigned_operand(struct machine *m)
{
	uint64_t v = pa_dwarf_uleb(&m->d);

	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

/* The state so far holds for [m->pc, to). */
static void emit(struct machine *m, uint64_t to)
{
	uint32_t rule;

	if (to > m->end)
		to = m->end;
	if (!m->rows || to <= m->pc)
		return;
	m->error = pa_cfi_rule(&m->s, m->cie->signal_frame, m->rows, &rule);
	if (!m->error)
		m->error = pa_rows_add(m->rows, (uint32_t)(m->pc - m->base), rule);
	m->pc = to;
}

static void advance(struct machine *m, uint64_t n)
{
	uint64_t step, to;

	if (__builtin_mul_overflow(n, m->cie->code_align, &step) ||
	    __builtin_add_overflow(m->pc, step, &to))
		to = UINT64_MAX;
	emit(m, to);
}

static void set_offset(struct machine *m, uint64_t reg, int64_t n)
{
	struct pa_place *column = column_of(m, reg);

	if (column)
		*column = place_at(PA_PLACE_CFA, 0, factored(m, n));
}

/* The value itself is CFA + n, not something in memory: only "the stack pointer is the CFA" is
 * what every rule says anyway. */
static void set_value(struct machine *m, uint64_t reg, int64_t n)
{
	bool usual = reg == PA_REG_SP && n == 0;

	set_kind(m, reg, usual ? PA_PLACE_SAME : PA_PLACE_BAD);
}

static void set_expression(struct machine *m, uint64_t reg, bool is_value)
{
	uint64_t len = pa_dwarf_uleb(&m->d);
	const uint8_t *expr = pa_dwarf_bytes(&m->d, len);

	if (!expr)
		return;
	if (is_value)
		set_kind(m, reg, PA_PLACE_BAD);
	else
		set_place(m, reg, pa_cfi_expression(expr, len));
}

static void set_cfa_expression(struct machine *m)
{
	uint64_t len = pa_dwarf_uleb(&m->d);
	const uint8_t *expr = pa_dwarf_bytes(&m->d, len);

	if (expr)
		m->s.cfa = pa_cfi_expression(expr, len);
}

static void restore(struct machine *m, uint64_t reg)
{
	struct pa_place *column = column_of(m, reg);

	if (column)
		*column = m->cie->initial.column[column - m->s.column];
}

static void remember(struct machine *m)
{
	if (m->depth == STATES_MAX)
		m->d.bad = true;
	else
		m->stack[m->depth++] = m->s;
}

static void restore_state(struct machine *m)
{
	if (!m->depth)
		m->d.bad = true;
	else
		m->s = m->stack[--m->depth];
}

static void step_location(struct machine *m, uint8_t op)
{
	switch (op) {
	case DW_CFA_set_loc:
		/* Backwards is nonsense; emit ignores it. */
		emit(m, pa_dwarf_pointer(&m->d, m->cie->pointer_encoding));
		return;
	case DW_CFA_advance_loc1:
		advance(m, pa_dwarf_u8(&m->d));
		return;
	case DW_CFA_advance_loc2:
		advance(m, pa_dwarf_u16(&m->d));
		return;
	case DW_CFA_advance_loc4:
		advance(m, pa_dwarf_u32(&m->d));
		return;
	default:
		advance(m, pa_dwarf_u64(&m->d));
		return;
	}
}

static void step_cfa(struct machine *m, uint8_t op)
{
	uint64_t reg;

	switch (op) {
	case DW_CFA_def_cfa:
		reg = pa_dwarf_uleb(&m->d);
		m->s.cfa = place_at(PA_PLACE_REG, reg, unsigned_operand(m));
		return;
	case DW_CFA_def_cfa_sf:
		reg = pa_dwarf_uleb(&m->d);
		m->s.cfa = place_at(PA_PLACE_REG, reg, factored(m, pa_dwarf_sleb(&m->d)));
		return;
	case DW_CFA_def_cfa_register:
		m->s.cfa = place_at(PA_PLACE_REG, pa_dwarf_uleb(&m->d), m->s.cfa.off);
		return;
	case DW_CFA_def_cfa_offset:
		m->s.cfa = place_at(PA_PLACE_REG, m->s.cfa.reg, unsigned_operand(m));
		return;
	case DW_CFA_def_cfa_offset_sf:
		m->s.cfa = place_at(PA_PLACE_REG, m->s.cfa.reg, factored(m, pa_dwarf_sleb(&m->d)));
		return;
	default:
		set_cfa_expression(m);
		return;
	}
}

static void step_register(struct machine *m, uint8_t op)
{
	uint64_t reg = pa_dwarf_uleb(&m->d);

	switch (op) {
	case DW_CFA_offset_extended:
		set_offset(m, reg, unsigned_operand(m));
		return;
	case DW_CFA_offset_extended_sf:
		set_offset(m, reg, pa_dwarf_sleb(&m->d));
		return;
	case DW_CFA_GNU_negative_offset_extended:
		set_offset(m, reg, -unsigned_operand(m));
		return;
	case DW_CFA_restore_extended:
		restore(m, reg);
		return;
	case DW_CFA_undefined:
		set_kind(m, reg, PA_PLACE_LOST);
		return;
	case DW_CFA_same_value:
		set_kind(m, reg, PA_PLACE_SAME);
		return;
	case DW_CFA_register:
		set_place(m, reg, place_at(PA_PLACE_IN, pa_dwarf_uleb(&m->d), 0));
		return;
	case DW_CFA_val_offset:
		set_value(m, reg, unsigned_operand(m));
		return;
	case DW_CFA_val_offset_sf:
		set_value(m, reg, pa_dwarf_sleb(&m->d));
		return;
	default:
		set_expression(m, reg, op == DW_CFA_val_expression);
		return;
	}
}

static void step(struct machine *m)
{
	uint8_t op = pa_dwarf_u8(&m->d);
	uint8_t low = op & 0x3f;

	switch (op & 0xc0) {
	case DW_CFA_advance_loc:
		advance(m, low);
		return;
	case DW_CFA_offset:
		set_offset(m, low, unsigned_operand(m));
		return;
	case DW_CFA_restore:
		restore(m, low);
		return;
	default:
		break;
	}
	switch (op) {
	case DW_CFA_nop:
		return;
	case DW_CFA_set_loc ... DW_CFA_advance_loc4:
	case DW_CFA_MIPS_advance_loc8:
		step_location(m, op);
		return;
	case DW_CFA_def_cfa ... DW_CFA_def_cfa_expression:
	case DW_CFA_def_cfa_sf:
	case DW_CFA_def_cfa_offset_sf:
		step_cfa(m, op);
		return;
	case DW_CFA_offset_extended ... DW_CFA_register:
	case DW_CFA_expression:
	case DW_CFA_offset_extended_sf:
	case DW_CFA_val_offset ... DW_CFA_val_expression:
	case DW_CFA_GNU_negative_offset_extended:
		step_register(m, op);
		return;
	case DW_CFA_remember_state:
		remember(m);
		return;
	case DW_CFA_restore_state:
		restore_state(m);
		return;
	case DW_CFA_GNU_args_size:
		pa_dwarf_uleb(&m->d);
		return;
	default:
		m->d.bad = true;
		return;
	}
}

static void run(struct machine *m)
{
	while (!m->error && !m->d.bad && m->d.p < m->d.end)
		step(m);
}

bool pa_cfi_init(struct pa_cfi_cie *cie)
{
	struct machine m = {.d = cie->program, .cie = cie, .s.cfa.kind = PA_PLACE_BAD};

	cie->initial = m.s;
	run(&m);
	cie->initial = m.s;
	return !m.d.bad;
}

int pa_cfi_run(const struct pa_cfi_cie *cie, const struct pa_cfi_fde *fde, uint64_t base,
	       struct pa_rows *rows)
{
	struct machine m;

	/* Not one initialiser: it would clear the stack of states for every function. */
	m.d = fde->program;
	m.cie = cie;
	m.s = cie->initial;
	m.pc = fde->start;
	m.end = fde->end;
	m.base = base;
	m.rows = rows;
	m.depth = 0;
	m.error = 0;
	run(&m);
	if (m.error)
		return m.error;
	if (m.d.bad) {
		rows->inexpressible++;
		return pa_rows_add(rows, (uint32_t)(m.pc - base), PA_RULE(PA_RULE_NONE, 0, 0, 0));
	}
	emit(&m, m.end);
	return m.error;
}
