/* SPDX-License-Identifier: Apache-2.0
 * All FDEs of a section, in order of their code, into one table. */
#include <errno.h>

#include "agent/base/arena.h"
#include "agent/unwind/cfi.h"

struct item {
	uint32_t start; /* of the code, relative to the object */
	uint32_t at;    /* of the record in the section */
};

/* CIEs that were read last, by offset. Linkers merge equal ones: most objects have one to four. */
#define CACHED_CIES 8

struct cie_slot {
	uint32_t at;
	bool used, good;
	struct pa_cfi_cie cie;
};

struct compiler {
	const struct pa_eh_frame *eh;
	struct item *items, *spare;
	size_t items_cap, spare_cap;
	uint32_t count;
	struct pa_rows rows;
	struct cie_slot cies[CACHED_CIES];
};

static const struct pa_cfi_cie *cie_at(struct compiler *c, uint32_t at)
{
	struct cie_slot *s = &c->cies[(at / 4 ^ at / 32) % CACHED_CIES];

	if (!s->used || s->at != at) {
		s->used = true;
		s->at = at;
		s->good = pa_cfi_cie(c->eh, at, &s->cie) && pa_cfi_init(&s->cie);
	}
	return s->good ? &s->cie : NULL;
}

static int collect(struct compiler *c)
{
	uint32_t at = 0, here = 0;
	struct pa_cfi_record r;

	for (; pa_cfi_next(c->eh, &at, &r); here = at) {
		const struct pa_cfi_cie *cie = r.is_cie ? NULL : cie_at(c, r.cie);
		struct pa_cfi_fde fde;
		size_t need = (c->count + (size_t)1) * sizeof(*c->items);
		int err;

		if (!cie || !pa_cfi_fde(c->eh, &r, cie, &fde))
			continue;
		err = pa_pages_grow((void **)&c->items, &c->items_cap, need);
		if (err)
			return err;
		c->items[c->count++] =
			(struct item){.start = (uint32_t)(fde.start - c->eh->lo), .at = here};
	}
	return 0;
}

static bool is_sorted(const struct item *items, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++)
		if (items[i - 1].start > items[i].start)
			return false;
	return true;
}

/* One pass of a radix sort, stable, by the byte of start at `shift`. */
static void sort_pass(const struct item *from, struct item *to, uint32_t count, unsigned shift)
{
	uint32_t at[256] = {0};
	uint32_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		at[from[i].start >> shift & 255]++;
	for (unsigned d = 0; d < 256; d++) {
		uint32_t n = at[d];

		at[d] = sum;
		sum += n;
	}
	for (uint32_t i = 0; i < count; i++)
		to[at[from[i].start >> shift & 255]++] = from[i];
}

static int sort(struct compiler *c)
{
	int err;

	if (is_sorted(c->items, c->count))
		return 0;
	err = pa_pages_grow((void **)&c->spare, &c->spare_cap, c->count * sizeof(*c->items));
	if (err)
		return err;
	for (unsigned shift = 0; shift < 32; shift += 16) {
		sort_pass(c->items, c->spare, c->count, shift);
		sort_pass(c->spare, c->items, c->count, shift + 8);
	}
	return 0;
}

/* Where two FDEs overlap, the one that starts later holds from there on, as for a reader that
 * searches the last start at or before its pc. */
static int run_all(struct compiler *c)
{
	for (uint32_t i = 0; i < c->count; i++) {
		const struct pa_cfi_cie *cie;
		uint32_t at = c->items[i].at;
		struct pa_cfi_record r;
		struct pa_cfi_fde fde;
		int err;

		if (!pa_cfi_next(c->eh, &at, &r))
			continue;
		cie = cie_at(c, r.cie);
		if (!cie || !pa_cfi_fde(c->eh, &r, cie, &fde))
			continue;
		err = pa_cfi_run(cie, &fde, c->eh->lo, &c->rows);
		if (err)
			return err;
		if (i + 1 < c->count && c->items[i + 1].start + c->eh->lo <= fde.end)
			continue;
		err = pa_rows_add(&c->rows, (uint32_t)(fde.end - c->eh->lo),
				  PA_RULE(PA_RULE_NONE, 0, 0, 0));
		if (err)
			return err;
	}
	return 0;
}

int pa_cfi_compile(const struct pa_eh_frame *eh, struct pa_table **ret)
{
	struct compiler c = {.eh = eh};
	int err;

	if (eh->len > UINT32_MAX || eh->hi <= eh->lo || eh->hi - eh->lo > UINT32_MAX)
		return -EFBIG;
	err = collect(&c);
	if (!err)
		err = sort(&c);
	if (!err)
		err = run_all(&c);
	if (!err)
		err = pa_rows_finish(&c.rows, ret);
	pa_pages_free(c.items, c.items_cap);
	pa_pages_free(c.spare, c.spare_cap);
	pa_rows_done(&c.rows);
	return err;
}
