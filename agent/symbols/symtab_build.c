/* SPDX-License-Identifier: Apache-2.0
 * From collected symbols to a table that can be searched. */
#include <errno.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/sort.h"
#include "agent/symbols/symtab_build.h"

#define RADIX_BITS    11
#define RADIX_BUCKETS (1u << RADIX_BITS)

bool pa_symtab_ranges_add(struct pa_symtab_ranges *r, uint64_t start, uint64_t size)
{
	if (r->count == PA_SYMTAB_RANGES)
		return false;
	if (size && start + size > start) {
		r->range[r->count].start = start;
		r->range[r->count].end = start + size;
		r->count++;
	}
	return true;
}

uint64_t pa_symtab_ranges_end(const struct pa_symtab_ranges *r, uint64_t vaddr)
{
	for (size_t i = 0; i < r->count; i++) {
		if (vaddr >= r->range[i].start && vaddr < r->range[i].end)
			return r->range[i].end;
	}
	return 0;
}

static int compare_start(const void *a, const void *b, void *arg)
{
	const struct pa_symtab_entry *x = a, *y = b;

	(void)arg;
	return (x->start > y->start) - (x->start < y->start);
}

static void radix_pass(const struct pa_symtab_entry *from, struct pa_symtab_entry *to, size_t count,
		       unsigned shift)
{
	size_t place[RADIX_BUCKETS] = {0}, sum = 0;

	for (size_t i = 0; i < count; i++)
		place[from[i].start >> shift & (RADIX_BUCKETS - 1)]++;
	for (size_t b = 0; b < RADIX_BUCKETS; b++) {
		size_t n = place[b];

		place[b] = sum;
		sum += n;
	}
	for (size_t i = 0; i < count; i++)
		to[place[from[i].start >> shift & (RADIX_BUCKETS - 1)]++] = from[i];
}

void pa_symtab_sort(struct pa_symtab_entry *entries, size_t count)
{
	const size_t bytes = count * sizeof(*entries);
	struct pa_symtab_entry *copy;

	if (count < 2)
		return;
	copy = pa_pages_alloc(bytes);
	if (!copy) {
		pa_sort(entries, count, sizeof(*entries), compare_start, NULL);
		return;
	}
	radix_pass(entries, copy, count, 0);
	radix_pass(copy, entries, count, RADIX_BITS);
	radix_pass(entries, copy, count, 2 * RADIX_BITS);
	memcpy(entries, copy, bytes);
	pa_pages_free(copy, bytes);
}

/* Entries that start where entry i does, i being the first of them. */
static size_t group_size(const struct pa_symtab *t, size_t i)
{
	size_t n = 1;

	while (i + n < t->count && t->entries[i + n].start == t->entries[i].start)
		n++;
	return n;
}

/* Symbols without size are as large as an alias that has one; otherwise they reach up to the next
 * start. None reaches beyond its section. */
static void set_sizes(struct pa_symtab *t, const struct pa_symtab_ranges *ranges)
{
	for (size_t i = 0, n; i < t->count; i += n) {
		uint64_t start = t->base + t->entries[i].start;
		uint64_t room = pa_symtab_ranges_end(ranges, start) - start;
		uint64_t unsized = 0;

		n = group_size(t, i);
		for (size_t k = i; k < i + n; k++)
			unsized = PA_MAX(unsized, t->entries[k].size);
		if (!unsized && i + n < t->count)
			unsized = t->entries[i + n].start - t->entries[i].start;
		else if (!unsized)
			unsized = room;
		for (size_t k = i; k < i + n; k++) {
			uint64_t size = t->entries[k].size ? t->entries[k].size : unsized;

			size = PA_MIN(size, room);
			t->entries[k].size = (uint32_t)PA_MIN(size, PA_SYMTAB_SIZE_MAX);
		}
	}
}

static uint64_t function_end(const struct pa_symtab *t, size_t i, size_t n)
{
	uint64_t end = 0;

	for (size_t k = i; k < i + n; k++) {
		if (!t->entries[k].label)
			end = PA_MAX(end, (uint64_t)t->entries[k].start + t->entries[k].size);
	}
	return end;
}

/* A label inside a function (a jump target of handwritten code) is not one of its own. */
static void drop_inner_labels(struct pa_symtab *t)
{
	uint64_t end = 0;
	size_t kept = 0;

	for (size_t i = 0, n; i < t->count; i += n) {
		n = group_size(t, i);
		end = PA_MAX(end, function_end(t, i, n));
		for (size_t k = i; k < i + n; k++) {
			if (!t->entries[k].label || t->entries[k].start >= end)
				t->entries[kept++] = t->entries[k];
		}
	}
	t->count = kept;
}

static int compare_alias(const void *a, const void *b, void *arg)
{
	const struct pa_symtab_entry *x = a, *y = b;

	(void)arg;
	return (x->size < y->size) - (x->size > y->size);
}

static void sort_aliases(struct pa_symtab *t)
{
	for (size_t i = 0, n; i < t->count; i += n) {
		n = group_size(t, i);
		if (n > 1)
			pa_sort(&t->entries[i], n, sizeof(*t->entries), compare_alias, NULL);
	}
}

size_t pa_symtab_reach_bytes(size_t count)
{
	return (count + PA_SYMTAB_BLOCK - 1) / PA_SYMTAB_BLOCK * sizeof(uint32_t);
}

static int fill_reach(struct pa_symtab *t)
{
	uint64_t reach = 0;

	if (!t->count)
		return 0;
	t->reach = pa_pages_alloc(pa_symtab_reach_bytes(t->count));
	if (!t->reach)
		return -ENOMEM;
	for (size_t i = 0; i < t->count; i++) {
		reach = PA_MAX(reach, (uint64_t)t->entries[i].start + t->entries[i].size);
		t->reach[i / PA_SYMTAB_BLOCK] = (uint32_t)PA_MIN(reach, UINT32_MAX);
	}
	return 0;
}

int pa_symtab_finish(struct pa_symtab *t, const struct pa_symtab_ranges *ranges)
{
	pa_symtab_sort(t->entries, t->count);
	set_sizes(t, ranges);
	drop_inner_labels(t);
	sort_aliases(t);
	return fill_reach(t);
}
