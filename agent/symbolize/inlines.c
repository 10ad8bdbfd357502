/* SPDX-License-Identifier: Apache-2.0
 * Walking a function down to the wanted addresses. */
#include "agent/symbolize/inlines.h"

#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "agent/symbolize/guard.h"

#define DEPTH_MAX 256
#define CALLS_MAX ((size_t)1 << 20)

struct level {
	Dwarf_Die die;
	int32_t call; /* that the DIE is in */
};

struct walk {
	struct pa_dbg_inlines *t;
	const uint64_t *addrs;
	size_t count;
	struct level stack[DEPTH_MAX];
	int depth;
};

static int append(struct pa_dbg_inlines *t, const struct level *l)
{
	uint32_t depth = l->call < 0 ? 1 : t->calls[l->call].depth + 1;

	if (t->count == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		void *bigger = cap <= CALLS_MAX ? realloc(t->calls, cap * sizeof(*t->calls)) : NULL;

		if (!bigger)
			return -ENOMEM;
		t->calls = bigger;
		t->cap = cap;
	}
	t->calls[t->count++] = (struct pa_dbg_call){l->die, l->call, depth};
	return 0;
}

/* Puts addresses from low to high into a call, unless a deeper one has them. */
static bool mark(struct walk *w, uint64_t low, uint64_t high, int32_t call)
{
	struct pa_dbg_inlines *t = w->t;
	size_t from = 0, to = w->count;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (w->addrs[mid] < low)
			from = mid + 1;
		else
			to = mid;
	}
	if (from == w->count || w->addrs[from] >= high)
		return false;
	for (size_t i = from; call >= 0 && i < w->count && w->addrs[i] < high; i++) {
		int32_t *have = &t->innermost[i];

		if (*have < 0 || t->calls[*have].depth < t->calls[call].depth)
			*have = call;
	}
	return true;
}

/* Whether to look below a DIE: wanted addresses are in it, or it does not say. */
static bool cover(struct walk *w, Dwarf_Die *die, int32_t call)
{
	Dwarf_Addr base, low, high;
	bool any = false, some = false;
	ptrdiff_t at = 0;

	while (!pa_dbg_late() && (at = dwarf_ranges(die, at, &base, &low, &high)) > 0) {
		any = true;
		some |= low < high && mark(w, low, high, call);
	}
	return some || !any;
}

/* Looks at the DIE on top. 1: go below it, 0: not, or -ENOMEM. */
static int visit(struct walk *w, int32_t *ret_call)
{
	struct level *l = &w->stack[w->depth];
	int r;

	*ret_call = l->call;
	switch (dwarf_tag(&l->die)) {
	case DW_TAG_inlined_subroutine:
		r = append(w->t, l);
		if (r < 0)
			return r;
		*ret_call = (int32_t)w->t->count - 1;
		if (cover(w, &l->die, *ret_call))
			return 1;
		w->t->count--;
		return 0;
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
		return cover(w, &l->die, -1);
	default:
		return 0;
	}
}

static bool step(struct walk *w, bool down, int32_t call)
{
	Dwarf_Die next;

	if (down && w->depth + 1 < DEPTH_MAX && dwarf_child(&w->stack[w->depth].die, &next) == 0) {
		w->stack[++w->depth] = (struct level){next, call};
		return true;
	}
	for (; w->depth >= 0; w->depth--) {
		if (dwarf_siblingof(&w->stack[w->depth].die, &next) == 0) {
			w->stack[w->depth].die = next;
			return true;
		}
	}
	return false;
}

int pa_dbg_inlines_read(struct pa_dbg_inlines *t, Dwarf_Die *function, const uint64_t *addrs,
			size_t count)
{
	struct walk w = {.t = t, .addrs = addrs, .count = count};
	bool more = dwarf_child(function, &w.stack[0].die) == 0;
	int r = 0;

	*t = (struct pa_dbg_inlines){.innermost = malloc(count * sizeof(*t->innermost))};
	if (!t->innermost)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		t->innermost[i] = -1;
	w.stack[0].call = -1;
	while (more && r >= 0 && !pa_dbg_late()) {
		int32_t call;

		r = visit(&w, &call);
		more = step(&w, r > 0, call);
	}
	return PA_MIN(r, 0);
}

void pa_dbg_inlines_free(struct pa_dbg_inlines *t)
{
	free(t->calls);
	free(t->innermost);
	*t = (struct pa_dbg_inlines){0};
}
