/* SPDX-License-Identifier: Apache-2.0
 * Ranges of addresses. */
#include "agent/symbolize/ranges.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "agent/symbolize/guard.h"

#define RANGES_MAX ((size_t)4 << 20)
#define LOOK_MAX   4096 /* ranges that are looked at for one address */

int pa_dbg_ranges_add(struct pa_dbg_ranges *r, uint64_t low, uint64_t high, uint64_t value)
{
	if (r->count == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 64;
		void *bigger =
			cap <= RANGES_MAX ? realloc(r->items, cap * sizeof(*r->items)) : NULL;

		if (!bigger)
			return -ENOMEM;
		r->items = bigger;
		r->cap = cap;
	}
	r->items[r->count++] = (struct pa_dbg_range){low, high, 0, value};
	return 0;
}

int pa_dbg_ranges_add_die(struct pa_dbg_ranges *r, Dwarf_Die *die, uint64_t value, bool *ret_any)
{
	Dwarf_Addr base, low, high;
	ptrdiff_t at = 0;
	int error = 0;

	*ret_any = false;
	while (error == 0 && !pa_dbg_late() &&
	       (at = dwarf_ranges(die, at, &base, &low, &high)) > 0) {
		*ret_any = true;
		if (low && low < high && low < UINT64_MAX - 1)
			error = pa_dbg_ranges_add(r, low, high, value);
	}
	return error;
}

static int compare_low(const void *a, const void *b)
{
	const struct pa_dbg_range *x = a, *y = b;

	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	if (x->high != y->high) /* the smaller one is found first */
		return x->high > y->high ? -1 : 1;
	return (x->value < y->value) - (x->value > y->value);
}

void pa_dbg_ranges_sort(struct pa_dbg_ranges *r)
{
	uint64_t reach = 0;

	if (r->count)
		qsort(r->items, r->count, sizeof(*r->items), compare_low);
	for (size_t i = 0; i < r->count; i++) {
		reach = PA_MAX(reach, r->items[i].high);
		r->items[i].reach = reach;
	}
}

void pa_dbg_ranges_free(struct pa_dbg_ranges *r)
{
	free(r->items);
	*r = (struct pa_dbg_ranges){0};
}

static bool has_value(const uint64_t *values, size_t count, uint64_t value)
{
	for (size_t i = 0; i < count; i++) {
		if (values[i] == value)
			return true;
	}
	return false;
}

size_t pa_dbg_ranges_find(const struct pa_dbg_ranges *r, uint64_t addr, uint64_t *ret_values,
			  size_t max)
{
	size_t low = 0, high = r->count, found = 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->items[mid].low <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	for (size_t i = low, looks = 0; i-- > 0 && found < max && looks < LOOK_MAX; looks++) {
		if (r->items[i].reach <= addr)
			break;
		if (r->items[i].high > addr && !has_value(ret_values, found, r->items[i].value))
			ret_values[found++] = r->items[i].value;
	}
	return found;
}
