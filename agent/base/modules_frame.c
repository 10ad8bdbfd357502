/* SPDX-License-Identifier: Apache-2.0
 * From an address and a generation to an address that says which object it belongs to. */
#include <errno.h>

#include "agent/base/arena.h"
#include "agent/base/modules_private.h"

#define SLOT_BITS 32
#define SLOTS     ((PA_ALIAS_END - PA_ALIAS_BASE) >> SLOT_BITS)

_Atomic bool pa_modules_ambiguous;

static bool ambiguous(const struct pa_module_entry *e)
{
	return !e->m.alive || e->m.alias || e->life_count > 1;
}

int pa_modules_index(struct pa_modules *j)
{
	void *index = j->index;
	uint64_t reach = 0;
	size_t n = 0;

	for (size_t i = 0; i < j->count; i++)
		n += ambiguous(&j->entries[i]);
	j->index_count = 0;
	/* Relaxed, as the load: publishing the generation orders this for whoever folds its walks. */
	atomic_store_explicit(&pa_modules_ambiguous, n > 0, memory_order_relaxed);
	if (pa_pages_grow(&index, &j->index_cap, n * sizeof(*j->index)))
		return -ENOMEM;
	j->index = index;
	for (size_t i = 0; i < j->count; i++) {
		const struct pa_module_object *o = &j->entries[i].m.object;

		if (!ambiguous(&j->entries[i]))
			continue;
		reach = PA_MAX(reach, o->hi);
		j->index[j->index_count++] =
			(struct pa_module_index){.entry = (uint32_t)i, .lo = o->lo, .reach = reach};
	}
	return 0;
}

static bool slot_in_use(const struct pa_modules *j, uint64_t alias)
{
	for (size_t i = 0; i < j->count; i++)
		if (j->entries[i].m.alias == alias || j->entries[i].m.vacant == alias)
			return true;
	return false;
}

uint64_t pa_modules_new_alias(struct pa_modules *j)
{
	uint64_t alias;

	/* One given back is not used again before all others were. There are far more slots than
	 * entries may have, or the last one is shared. */
	for (uint64_t i = 0; i < SLOTS; i++) {
		j->slot = (uint32_t)((j->slot + 1) % SLOTS);
		alias = PA_ALIAS_BASE + ((uint64_t)j->slot << SLOT_BITS);
		if (!slot_in_use(j, alias))
			break;
	}
	return alias;
}

static bool alive_in(const struct pa_module_entry *e, uint32_t generation)
{
	for (unsigned i = e->life_count; i-- > 0;)
		if (generation >= e->lives[i].from && generation <= e->lives[i].to)
			return true;
	return false;
}

/* How many index entries begin at or below the address. */
static size_t index_below(const struct pa_modules *j, uint64_t addr)
{
	size_t low = 0, high = j->index_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (j->index[mid].lo <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Memory that is executable, and no object, at an address that an object had before or has since:
 * code of a JIT compiler. */
static uint64_t vacated(struct pa_modules *j, struct pa_module_entry *e, uint64_t addr)
{
	if (!e->m.vacant)
		e->m.vacant = pa_modules_new_alias(j);
	return e->m.vacant + (addr - e->m.object.lo);
}

/* The indexed entry that an address belonged to, NULL when there is none; *ret_first is then the one
 * whose addresses are their own aliases. */
static struct pa_module_entry *find(struct pa_modules *j, uint64_t addr, uint32_t generation,
				    struct pa_module_entry **ret_first)
{
	*ret_first = NULL;
	for (size_t i = index_below(j, addr); i-- > 0 && j->index[i].reach > addr;) {
		struct pa_module_entry *e = &j->entries[j->index[i].entry];

		if (addr >= e->m.object.hi)
			continue;
		if (alive_in(e, generation))
			return e;
		if (!e->m.alias)
			*ret_first = e;
	}
	return NULL;
}

static uint64_t canonical(struct pa_modules *j, uint64_t addr, uint32_t generation)
{
	struct pa_module_entry *first;
	const struct pa_module_entry *e = find(j, addr, generation, &first);

	if (e)
		return e->m.alias ? e->m.alias + (addr - e->m.object.lo) : addr;
	return first && generation != PA_MODULES_NOW ? vacated(j, first, addr) : addr;
}

void pa_modules_frames(uint64_t *frames, size_t count, uint32_t generation)
{
	struct pa_modules *j = &pa_modules_journal;

	if (pa_likely(!atomic_load_explicit(&pa_modules_ambiguous, memory_order_relaxed)))
		return;
	pa_lock(&j->lock);
	for (size_t i = 0; i < count; i++)
		frames[i] = canonical(j, frames[i], generation);
	pa_unlock(&j->lock);
}

bool pa_modules_frames_since(uint64_t *frames, size_t count, uint32_t since, uint32_t now)
{
	struct pa_modules *j = &pa_modules_journal;
	struct pa_module_entry *first, *was, *is;
	bool clear = true;

	if (pa_likely(!atomic_load_explicit(&pa_modules_ambiguous, memory_order_relaxed)))
		return true;
	pa_lock(&j->lock);
	for (size_t i = 0; clear && i < count; i++) {
		was = find(j, frames[i], since, &first);
		is = find(j, frames[i], now, &first);
		clear = !was || !is || was == is;
	}
	for (size_t i = 0; clear && i < count; i++) {
		/* Where nothing is any more, it was what is gone. */
		is = find(j, frames[i], now, &first);
		was = is ? is : find(j, frames[i], since, &first);
		frames[i] = canonical(j, frames[i], was && !is ? since : now);
	}
	pa_unlock(&j->lock);
	return clear;
}
