/* SPDX-License-Identifier: Apache-2.0
 * Everything is made of one step, laying one list of pieces over another: new ranges are put in
 * order by laying each over the one before it, then pairs over pairs and so on, as in merge sort. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/symbols/perfmap_ranges.h"

struct output {
	struct pa_perfmap_range *items; /* NULL: only count */
	size_t count;
};

static uint64_t end_of(const struct pa_perfmap_range *r)
{
	return r->start + r->size;
}

/* The part of r between two addresses, if there is any. */
static void emit(struct output *out, const struct pa_perfmap_range *r, uint64_t from, uint64_t to)
{
	const uint64_t start = PA_MAX(r->start, from);
	const uint64_t end = PA_MIN(end_of(r), to);

	if (start >= end)
		return;
	if (out->items)
		out->items[out->count] = (struct pa_perfmap_range){
			.start = start,
			.size = (uint32_t)(end - start),
			.line = r->line,
		};
	out->count++;
}

size_t pa_perfmap_overlay(const struct pa_perfmap_range *under, size_t under_count,
			  const struct pa_perfmap_range *over, size_t over_count,
			  struct pa_perfmap_range *out)
{
	struct output o = {.items = out};
	uint64_t from = 0; /* up to where `over` has been */
	size_t i = 0;

	for (size_t k = 0; k < over_count; k++) {
		for (; i < under_count && under[i].start < over[k].start; i++) {
			emit(&o, &under[i], from, over[k].start);
			if (end_of(&under[i]) > over[k].start)
				break; /* something may stick out at the other end */
		}
		emit(&o, &over[k], 0, UINT64_MAX);
		from = end_of(&over[k]);
		while (i < under_count && end_of(&under[i]) <= from)
			i++;
	}
	for (; i < under_count; i++)
		emit(&o, &under[i], from, UINT64_MAX);
	return o.count;
}

/* Each run lies at twice the index of its first range, where it has room for all its pieces: n
 * ranges have 2n ends, and there is a piece between two of these at most. */
struct runs {
	struct pa_perfmap_range *from, *to; /* 2 * count each */
	uint32_t *lengths;
	size_t count;
};

static size_t runs_bytes(size_t count)
{
	return count * (4 * sizeof(struct pa_perfmap_range) + sizeof(uint32_t));
}

/* Leaves one run, in `from`. Returns its length. */
static size_t merge_runs(struct runs *r)
{
	for (size_t width = 1; width < r->count; width *= 2) {
		struct pa_perfmap_range *swap = r->to;

		for (size_t i = 0; i < r->count; i += 2 * width) {
			const size_t next = i + width;
			const bool pair = next < r->count;

			r->lengths[i] = (uint32_t)pa_perfmap_overlay(
				r->from + 2 * i, r->lengths[i], r->from + (pair ? 2 * next : 0),
				pair ? r->lengths[next] : 0, r->to + 2 * i);
		}
		r->to = r->from;
		r->from = swap;
	}
	return r->count ? r->lengths[0] : 0;
}

static void runs_init(struct runs *r, void *memory, const struct pa_perfmap_range *items,
		      size_t count)
{
	r->from = memory;
	r->to = r->from + 2 * count;
	r->lengths = (uint32_t *)(r->to + 2 * count);
	r->count = count;
	for (size_t i = 0; i < count; i++) {
		r->from[2 * i] = items[i];
		r->lengths[i] = 1;
	}
}

/* The line from which on at most `max` pieces come. */
static uint32_t first_line_kept(const struct pa_perfmap_ranges *r, size_t max)
{
	uint32_t low = 0, high = UINT32_MAX;

	while (low < high) {
		const uint32_t mid = low + (high - low) / 2;
		size_t kept = 0;

		for (size_t i = 0; i < r->count; i++)
			kept += r->items[i].line >= mid;
		if (kept > max)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Names of reused memory must not be those of before, so what is new is always taken, and the
 * oldest are left without a name instead. A quarter at once, which is seldom. */
static uint64_t drop_oldest(struct pa_perfmap_ranges *r, size_t max)
{
	const uint32_t first = first_line_kept(r, max - max / 4);
	size_t kept = 0, count = r->count;

	for (size_t i = 0; i < count; i++) {
		if (r->items[i].line >= first)
			r->items[kept++] = r->items[i];
	}
	r->count = kept;
	return count - kept;
}

static int lay_over(struct pa_perfmap_ranges *r, const struct pa_perfmap_range *over, size_t count)
{
	struct pa_perfmap_ranges n = {0};

	n.count = pa_perfmap_overlay(r->items, r->count, over, count, NULL);
	n.bytes = n.count * sizeof(*n.items);
	n.items = pa_pages_alloc(n.bytes);
	if (!n.items)
		return -ENOMEM;
	pa_perfmap_overlay(r->items, r->count, over, count, n.items);
	pa_perfmap_ranges_done(r);
	*r = n;
	return 0;
}

int pa_perfmap_ranges_add(struct pa_perfmap_ranges *r, const struct pa_perfmap_range *items,
			  size_t count, size_t max, uint64_t *dropped)
{
	const size_t bytes = runs_bytes(count);
	struct runs runs;
	void *memory;
	int err;

	if (!count)
		return 0;
	memory = pa_pages_alloc(bytes);
	if (!memory)
		return -ENOMEM;
	runs_init(&runs, memory, items, count);
	count = merge_runs(&runs);
	err = lay_over(r, runs.from, count);
	if (err == 0 && r->count > max)
		*dropped += drop_oldest(r, max);
	pa_pages_free(memory, bytes);
	return err;
}

const struct pa_perfmap_range *pa_perfmap_ranges_find(const struct pa_perfmap_ranges *r,
						      uint64_t addr)
{
	size_t low = 0, high = r->count;

	while (low < high) { /* the first that starts behind addr */
		const size_t mid = low + (high - low) / 2;

		if (r->items[mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low && addr - r->items[low - 1].start < r->items[low - 1].size ? &r->items[low - 1]
									      : NULL;
}

void pa_perfmap_ranges_done(struct pa_perfmap_ranges *r)
{
	pa_pages_free(r->items, r->bytes);
	*r = (struct pa_perfmap_ranges){0};
}
