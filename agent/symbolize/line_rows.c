/* SPDX-License-Identifier: Apache-2.0
 * Running a line-number program. */
#include <dwarf.h>

#include "agent/symbolize/guard.h"
#include "agent/symbolize/line_table.h"

struct state {
	uint64_t address, file, line, column;
	unsigned op_index;
};

struct run {
	struct pa_dbg_line_table *t;
	const uint64_t *addrs;
	size_t count;
	struct pa_dbg_row *rows;

	struct state now, last; /* registers; the last row */
	bool in_sequence;       /* last is set */
	bool dead;              /* code that the linker has left out */
	size_t next;            /* first address not below the last row */
	size_t missing;         /* addresses without a row */
};

static size_t first_not_below(const uint64_t *addrs, size_t count, uint64_t address)
{
	size_t low = 0;

	while (low < count) {
		size_t mid = low + (count - low) / 2;

		if (addrs[mid] < address)
			low = mid + 1;
		else
			count = mid;
	}
	return low;
}

static void give_row(struct run *r)
{
	for (; r->next < r->count && r->addrs[r->next] < r->now.address; r->next++) {
		struct pa_dbg_row *row = &r->rows[r->next];

		if (row->found || r->dead)
			continue;
		row->found = true;
		r->missing--;
		row->file = r->last.file;
		row->line = (uint32_t)PA_MIN(r->last.line, UINT32_MAX);
		row->column = (uint32_t)PA_MIN(r->last.column, UINT32_MAX);
	}
}

static void add_row(struct run *r, bool end)
{
	if (!r->in_sequence) {
		/* Linkers write 0, -1 or -2 where a function has been left out. */
		r->dead = !r->now.address || r->now.address >= UINT64_MAX - 1;
		r->next = first_not_below(r->addrs, r->count, r->now.address);
		r->in_sequence = true;
	} else if (r->now.address >= r->last.address) {
		give_row(r);
	} else {
		r->next = first_not_below(r->addrs, r->count, r->now.address);
	}
	r->last = r->now;
	if (end) {
		r->in_sequence = false;
		r->now = (struct state){.file = 1, .line = 1};
	}
}

static void advance(struct run *r, uint64_t ops)
{
	unsigned max = r->t->max_ops;

	if (max <= 1) {
		r->now.address += ops * r->t->min_inst;
		return;
	}
	ops += r->now.op_index;
	r->now.address += ops / max * r->t->min_inst;
	r->now.op_index = (unsigned)(ops % max);
}

static bool define_file(struct pa_dbg_line_table *t, struct pa_dbg_cursor *c)
{
	const char *name = pa_dbg_text(c);
	uint64_t dir = pa_dbg_uleb(c);

	return !c->bad && t->version < 5 && pa_dbg_line_table_add(t, name, dir);
}

static bool run_extended(struct run *r, struct pa_dbg_cursor *c)
{
	uint64_t size = pa_dbg_uleb(c);
	const uint8_t *body = pa_dbg_take(c, size);
	struct pa_dbg_cursor in;

	if (!body || !size)
		return false;
	in = (struct pa_dbg_cursor){body, body + size, false};
	switch (pa_dbg_uint(&in, 1)) {
	case DW_LNE_end_sequence:
		add_row(r, true);
		return true;
	case DW_LNE_set_address:
		r->now.address = pa_dbg_uint(&in, (unsigned)PA_MIN(size - 1, 8));
		r->now.op_index = 0;
		return true;
	case DW_LNE_define_file:
		return define_file(r->t, &in);
	default:
		return true;
	}
}

static bool skip_unknown(const struct run *r, uint8_t opcode, struct pa_dbg_cursor *c)
{
	for (unsigned i = r->t->opcode_lengths[opcode - 1]; i; i--)
		pa_dbg_uleb(c);
	return !c->bad;
}

static bool run_standard(struct run *r, uint8_t opcode, struct pa_dbg_cursor *c)
{
	switch (opcode) {
	case DW_LNS_copy:
		add_row(r, false);
		break;
	case DW_LNS_advance_pc:
		advance(r, pa_dbg_uleb(c));
		break;
	case DW_LNS_advance_line:
		r->now.line += (uint64_t)pa_dbg_sleb(c);
		break;
	case DW_LNS_set_file:
		r->now.file = pa_dbg_uleb(c);
		break;
	case DW_LNS_set_column:
		r->now.column = pa_dbg_uleb(c);
		break;
	case DW_LNS_const_add_pc:
		advance(r, (255 - r->t->opcode_base) / r->t->line_range);
		break;
	case DW_LNS_fixed_advance_pc:
		r->now.address += pa_dbg_uint(c, 2);
		r->now.op_index = 0;
		break;
	case DW_LNS_negate_stmt:
	case DW_LNS_set_basic_block:
	case DW_LNS_set_prologue_end:
	case DW_LNS_set_epilogue_begin:
		break;
	default: /* DW_LNS_set_isa, and those of later versions */
		return skip_unknown(r, opcode, c);
	}
	return !c->bad;
}

static void run_special(struct run *r, uint8_t opcode)
{
	unsigned adjusted = opcode - r->t->opcode_base;

	advance(r, adjusted / r->t->line_range);
	r->now.line += (uint64_t)(r->t->line_base + (int)(adjusted % r->t->line_range));
	add_row(r, false);
}

void pa_dbg_line_table_rows(struct pa_dbg_line_table *t, const uint64_t *addrs, size_t count,
			    struct pa_dbg_row *ret)
{
	struct run r = {.t = t, .addrs = addrs, .count = count, .rows = ret, .missing = count};
	struct pa_dbg_cursor c = t->program;
	bool good = true;

	memset(ret, 0, count * sizeof(*ret));
	r.now = (struct state){.file = 1, .line = 1};
	while (good && r.missing && pa_dbg_left(&c) && !pa_dbg_late()) {
		uint8_t opcode = (uint8_t)pa_dbg_uint(&c, 1);

		if (opcode >= t->opcode_base)
			run_special(&r, opcode);
		else if (!opcode)
			good = run_extended(&r, &c);
		else
			good = run_standard(&r, opcode, &c);
	}
}
