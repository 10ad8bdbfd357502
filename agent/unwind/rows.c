/* SPDX-License-Identifier: Apache-2.0
 * Builds row tables. All of a table lies in one block: rows, padding, index, wide rules, header. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/unwind/arch.h"
#include "agent/unwind/rows.h"

/* Mean rows a page. Four made tables 9 % smaller and walks 1 ns a frame slower. */
#define ROWS_PER_PAGE 2
#define MIN_SHIFT     4
#define MAX_SHIFT     31

/* Rules are compared with this many predecessors before a new one is stored: equal ones come from
 * the same function, so a longer search would find little and be quadratic on hostile input. */
#define WIDE_SEARCH 16

static const struct pa_row no_rows[1 + PA_ROWS_PAD];
static const uint32_t no_index[1];

struct pa_table pa_table_empty = {.rows = no_rows, .index = no_index};

static bool same_wide(const struct pa_wide *a, const struct pa_wide *b)
{
	return !memcmp(a, b, sizeof(*a));
}

int pa_rows_wide(struct pa_rows *b, const struct pa_wide *wide, uint32_t *ret_rule)
{
	uint32_t n = b->wide_count;
	uint32_t stop = n > WIDE_SEARCH ? n - WIDE_SEARCH : 0;
	int err;

	for (uint32_t i = n; i > stop; i--) {
		if (same_wide(&b->wide[i - 1], wide)) {
			*ret_rule = PA_RULE_WIDE | (i - 1) << 3;
			return 0;
		}
	}
	if (n > PA_RULE_WIDE_MAX)
		return -ENOMEM;
	err = pa_pages_grow((void **)&b->wide, &b->wide_cap, (n + (size_t)1) * sizeof(*wide));
	if (err)
		return err;
	b->wide[n] = *wide;
	b->wide_count = n + 1;
	*ret_rule = PA_RULE_WIDE | n << 3;
	return 0;
}

static int append(struct pa_rows *b, uint32_t pc, uint32_t rule)
{
	size_t need = (b->count + (size_t)1) * sizeof(*b->rows);
	int err;

	if (pa_unlikely(need > b->rows_cap)) {
		err = pa_pages_grow((void **)&b->rows, &b->rows_cap, need);
		if (err)
			return err;
	}
	b->rows[b->count++] = (struct pa_row){.pc = pc, .rule = rule};
	return 0;
}

int pa_rows_add(struct pa_rows *b, uint32_t pc, uint32_t rule)
{
	int err;

	/* A search always has a row to start from: the one for what lies before the first FDE. */
	if (!b->count) {
		err = append(b, 0, PA_RULE(PA_RULE_NONE, 0, 0, 0));
		if (err)
			return err;
	}
	while (b->count && b->rows[b->count - 1].pc >= pc)
		b->count--;
	if (b->count && b->rows[b->count - 1].rule == rule)
		return 0;
	return append(b, pc, rule);
}

static void fill_index(struct pa_table *t, uint32_t *index)
{
	uint32_t row = 0;

	for (uint32_t i = 0; i <= t->pages; i++) {
		uint64_t start = (uint64_t)(t->first_page + i) << t->shift;

		while (row + 1 < t->count && t->rows[row + 1].pc <= start)
			row++;
		index[i] = row;
	}
}

/* Page size and number for rows[1 .. count). */
static void choose_pages(struct pa_table *t, const struct pa_row *rows)
{
	uint32_t first = rows[1].pc, last = rows[t->count - 1].pc;

	t->shift = MIN_SHIFT;
	while (t->shift < MAX_SHIFT && (last - first) >> t->shift > t->count / ROWS_PER_PAGE)
		t->shift++;
	t->first_page = first >> t->shift;
	t->pages = (last >> t->shift) - t->first_page + 1;
}

int pa_rows_finish(struct pa_rows *b, struct pa_table **ret)
{
	struct pa_table t = {
		.count = b->count, .wide_count = b->wide_count, .inexpressible = b->inexpressible};
	size_t index_at, wide_at, table_at, used;
	uint8_t *block;
	int err;

	if (b->count < 2) {
		pa_rows_done(b);
		*ret = &pa_table_empty;
		return 0;
	}
	choose_pages(&t, b->rows);
	index_at = (t.count + (size_t)PA_ROWS_PAD) * sizeof(*t.rows);
	wide_at = index_at + (t.pages + (size_t)1) * sizeof(*t.index);
	table_at = wide_at + t.wide_count * sizeof(*t.wide);
	table_at = (table_at + 63) & ~(size_t)63;
	t.bytes = table_at + sizeof(t);
	err = pa_pages_grow((void **)&b->rows, &b->rows_cap, t.bytes);
	if (err)
		return err;

	block = (uint8_t *)b->rows;
	t.block = block;
	t.rows = b->rows;
	t.index = (uint32_t *)(void *)(block + index_at);
	t.wide = (struct pa_wide *)(void *)(block + wide_at);
	for (uint32_t i = 0; i < PA_ROWS_PAD; i++)
		b->rows[t.count + i] = (struct pa_row){.pc = UINT32_MAX};
	fill_index(&t, (uint32_t *)(void *)(block + index_at));
	if (t.wide_count)
		memcpy(block + wide_at, b->wide, t.wide_count * sizeof(*t.wide));
	memcpy(block + table_at, &t, sizeof(t));
	*ret = (struct pa_table *)(void *)(block + table_at);

	/* Give back the pages that growing by doubling has mapped and nothing has touched. */
	used = (t.bytes + PA_ARCH_PAGE - 1) & ~(PA_ARCH_PAGE - 1);
	if (used < b->rows_cap)
		pa_pages_free(block + used, b->rows_cap - used);
	b->rows = NULL;
	b->rows_cap = 0;
	pa_rows_done(b);
	return 0;
}

void pa_rows_done(struct pa_rows *b)
{
	pa_pages_free(b->rows, b->rows_cap);
	pa_pages_free(b->wide, b->wide_cap);
	*b = (struct pa_rows){0};
}

void pa_table_free(struct pa_table *t)
{
	if (t && t->block)
		pa_pages_free(t->block, t->bytes);
}
