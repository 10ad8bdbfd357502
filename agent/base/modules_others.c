/* SPDX-License-Identifier: Apache-2.0
 * Executable memory that is in no object: what a compiler has made at run time. The journal only
 * remembers at which addresses there was any. */
#include <string.h>

#include "agent/base/modules_private.h"

/* Joins the two neighbours with the smallest gap. */
static void join_nearest(struct pa_module_ranges *r)
{
	size_t best = 0;

	for (size_t i = 1; i + 1 < r->count; i++)
		if (r->at[i + 1].lo - r->at[i].hi < r->at[best + 1].lo - r->at[best].hi)
			best = i;
	r->at[best].hi = r->at[best + 1].hi;
	memmove(&r->at[best + 1], &r->at[best + 2], (r->count - best - 2) * sizeof(*r->at));
	r->count--;
}

void pa_module_ranges_add(struct pa_module_ranges *r, uint64_t lo, uint64_t hi)
{
	size_t first = 0, end;

	while (first < r->count && r->at[first].hi < lo)
		first++;
	for (end = first; end < r->count && r->at[end].lo <= hi; end++) {
		lo = PA_MIN(lo, r->at[end].lo);
		hi = PA_MAX(hi, r->at[end].hi);
	}
	memmove(&r->at[first + 1], &r->at[end], (r->count - end) * sizeof(*r->at));
	r->at[first].lo = lo;
	r->at[first].hi = hi;
	r->count = r->count - (end - first) + 1;
	if (r->count > PA_MODULE_RANGES)
		join_nearest(r);
}

bool pa_module_ranges_overlap(const struct pa_module_ranges *r, uint64_t lo, uint64_t hi)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->at[i].lo < hi && lo < r->at[i].hi)
			return true;
	return false;
}

void pa_modules_note_others(const struct pa_map *maps, size_t count)
{
	struct pa_modules *j = &pa_modules_journal;
	size_t k = 0;

	pa_lock(&j->lock);
	for (size_t i = 0; i < count; i++) {
		const struct pa_module *m;

		while (k < j->count &&
		       (!j->entries[k].m.alive || j->entries[k].m.object.hi <= maps[i].start))
			k++;
		m = k < j->count ? &j->entries[k].m : NULL;
		if (maps[i].exec && (!m || maps[i].start < m->object.lo))
			pa_module_ranges_add(&j->others, maps[i].start, maps[i].end);
	}
	pa_unlock(&j->lock);
}

bool pa_modules_noted(uint64_t addr)
{
	struct pa_modules *j = &pa_modules_journal;
	bool noted;

	pa_lock(&j->lock);
	noted = pa_module_ranges_overlap(&j->others, addr, addr + 1);
	pa_unlock(&j->lock);
	return noted;
}
