/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/base/arena.h"
#include "agent/unwind/rows.h"
#include "test/tap.h"

#define NONE PA_RULE(PA_RULE_NONE, 0, 0, 0)

static void test_encoding(void)
{
	uint32_t rule = PA_RULE(PA_RULE_FP, PA_RULE_N_MAX, PA_RULE_FP_MAX, PA_RULE_AUX_MAX);

	is_int(sizeof(struct pa_row), 8, "a row has 8 bytes");
	is_int(PA_RULE_KIND(rule), PA_RULE_FP, "kind");
	is_int(PA_RULE_N(rule), PA_RULE_N_MAX, "largest n");
	is_int(PA_RULE_FP_AT(rule), PA_RULE_FP_MAX, "largest fp slot");
	is_int(PA_RULE_AUX_AT(rule), PA_RULE_AUX_MAX, "largest aux slot");
	rule = PA_RULE(PA_RULE_SP, 5, 2, 3);
	is_int(PA_RULE_KIND(rule), PA_RULE_SP, "kind of a small rule");
	is_int(PA_RULE_N(rule), 5, "n of a small rule");
	is_int(PA_RULE_FP_AT(rule), 2, "fp slot of a small rule");
	is_int(PA_RULE_AUX_AT(rule), 3, "aux slot of a small rule");
}

static void test_empty(void)
{
	struct pa_rows b = {0};
	struct pa_table *t = NULL;

	is_int(pa_rows_finish(&b, &t), 0, "an empty builder finishes");
	ok(t == &pa_table_empty, "as the empty table");
	is_int(pa_table_rule(t, 0), NONE, "which has no rule for 0");
	is_int(pa_table_rule(t, UINT32_MAX - 1), NONE, "nor for the highest address");
	pa_table_free(t);
	is_int(pa_rows_add(&b, 100, NONE), 0, "a gap alone");
	is_int(pa_rows_finish(&b, &t), 0, "finishes too");
	ok(t == &pa_table_empty, "as the empty table");
}

static uint32_t rule_n(unsigned n)
{
	return PA_RULE(PA_RULE_SP, n & PA_RULE_N_MAX, 0, 0);
}

/* What a linear search over the rows that were added finds. */
static uint32_t slow_rule(const struct pa_row *rows, unsigned count, uint32_t x)
{
	uint32_t rule = NONE;

	for (unsigned i = 0; i < count && rows[i].pc <= x; i++)
		rule = rows[i].rule;
	return rule;
}

static void check_all(const char *name, const struct pa_row *rows, unsigned count)
{
	struct pa_rows b = {0};
	struct pa_table *t = NULL;
	int err = 0, wrong = 0;

	for (unsigned i = 0; i < count; i++)
		err |= pa_rows_add(&b, rows[i].pc, rows[i].rule);
	err |= pa_rows_finish(&b, &t);
	is_int(err, 0, name);
	if (err)
		return;
	for (unsigned i = 0; i < count; i++) {
		for (int64_t d = -2; d <= 2; d++) {
			int64_t x = (int64_t)rows[i].pc + d;

			if (x >= 0 && x < UINT32_MAX)
				wrong += pa_table_rule(t, (uint32_t)x) !=
					 slow_rule(rows, count, (uint32_t)x);
		}
	}
	is_int(wrong, 0, "  every row is found, and what is before and behind it");
	is_int(pa_table_rule(t, 0), slow_rule(rows, count, 0), "  the lowest address");
	is_int(pa_table_rule(t, UINT32_MAX - 1), NONE, "  behind the last row");
	ok(t->pages <= t->count, "  the index is smaller than the rows (%u pages, %u rows)",
	   t->pages, t->count);
	pa_table_free(t);
}

static void test_search(void)
{
	static struct pa_row rows[5000];
	unsigned n = 0;

	for (n = 0; n < 4000; n++)
		rows[n] = (struct pa_row){4096 + n * 7, rule_n(n + 1)};
	rows[n++] = (struct pa_row){4096 + 4000 * 7, NONE};
	check_all("4000 rows, evenly spread", rows, n);

	/* Pages have a mean of four rows; here one has nearly all. */
	for (n = 0; n < 3000; n++)
		rows[n] = (struct pa_row){0x10000 + n, rule_n(n + 1)};
	rows[n++] = (struct pa_row){0xf0000000, rule_n(1)};
	rows[n++] = (struct pa_row){0xf0000010, NONE};
	check_all("3000 rows in one page of a huge object", rows, n);

	rows[0] = (struct pa_row){64, rule_n(1)};
	rows[1] = (struct pa_row){80, NONE};
	check_all("one function", rows, 2);
	rows[0] = (struct pa_row){0xfffffff0, rule_n(1)};
	rows[1] = (struct pa_row){0xfffffffe, NONE};
	check_all("one function at the very end", rows, 2);
}

static void test_add(void)
{
	struct pa_rows b = {0};
	struct pa_table *t = NULL;

	is_int(pa_rows_add(&b, 16, rule_n(1)) | pa_rows_add(&b, 20, rule_n(1)) |
		       pa_rows_add(&b, 24, rule_n(2)) | pa_rows_add(&b, 32, NONE),
	       0, "four rows");
	is_int(b.count, 4, "equal neighbours are one row");
	is_int(pa_rows_add(&b, 24, rule_n(3)) | pa_rows_add(&b, 40, NONE), 0,
	       "a row in front of the last ones");
	is_int(pa_rows_finish(&b, &t), 0, "finishes");
	is_int(pa_table_rule(t, 23), rule_n(1), "  rows in front stay");
	is_int(pa_table_rule(t, 24), rule_n(3), "  those behind are replaced");
	is_int(pa_table_rule(t, 39), rule_n(3), "  up to the new end");
	is_int(pa_table_rule(t, 40), NONE, "  where the gap begins");
	pa_table_free(t);
}

static void test_wide(void)
{
	struct pa_wide a = {.cfa = {.kind = PA_PLACE_REG, .reg = 3, .off = 16},
			    .ra = {.kind = PA_PLACE_CFA, .off = -8}};
	struct pa_wide b = a;
	struct pa_rows rows = {0};
	struct pa_table *t = NULL;
	uint32_t ra = 0, rb = 0, again = 0;

	b.cfa.off = 24;
	is_int(pa_rows_wide(&rows, &a, &ra) | pa_rows_wide(&rows, &b, &rb) |
		       pa_rows_wide(&rows, &a, &again),
	       0, "wide rules");
	ok(ra != rb && ra == again, "equal ones are stored once");
	is_int(pa_rows_add(&rows, 16, ra) | pa_rows_add(&rows, 20, rb) |
		       pa_rows_add(&rows, 30, NONE),
	       0, "rows with them");
	is_int(pa_rows_finish(&rows, &t), 0, "finishes");
	is_int(PA_RULE_KIND(pa_table_rule(t, 17)), PA_RULE_WIDE, "a wide row");
	is_int(t->wide[PA_RULE_WIDE_INDEX(pa_table_rule(t, 17))].cfa.off, 16, "the first rule");
	is_int(t->wide[PA_RULE_WIDE_INDEX(pa_table_rule(t, 20))].cfa.off, 24, "the second rule");
	pa_table_free(t);
}

static void test_budget(void)
{
	size_t before = pa_mem_used();
	struct pa_rows b = {0};
	int err = 0;

	pa_mem_limit_set(before + (64 << 10));
	for (uint32_t i = 1; i < 100000 && !err; i++)
		err = pa_rows_add(&b, i * 16, rule_n(i));
	ok(err < 0, "rows over the budget are refused");
	pa_rows_done(&b);
	is_int(pa_mem_used(), before, "and what there was is given back");
	pa_mem_limit_set((size_t)64 << 20);
}

int main(void)
{
	size_t before = pa_mem_used();

	test_encoding();
	test_empty();
	test_search();
	test_add();
	test_wide();
	test_budget();
	is_int(pa_mem_used(), before, "all memory is given back");
	return tap_done();
}
