/* SPDX-License-Identifier: Apache-2.0
 * Executable mappings, merged and put in order. */
#include <errno.h>
#include <string.h>

#include "agent/symbols/mapping.h"

struct builder {
	const struct pa_map *maps;
	size_t count;
	struct pa_mappings m;
	size_t last_line; /* index of the line that extended the newest image */
	size_t head_line; /* first line of the copy of a file that is being passed; count: none */
	bool pending;     /* the newest region belongs to the image of the next line */
};

static bool same_file(const struct pa_map *a, const struct pa_map *b)
{
	return a->inode && a->inode == b->inode && a->dev == b->dev && !strcmp(a->path, b->path);
}

static bool anonymous(const struct pa_map *m)
{
	return !m->inode && !m->path[0];
}

static bool adjoins(const struct pa_map *a, const struct pa_map *b)
{
	return a->end == b->start;
}

/* The file line whose image the anonymous text at line i is a part of, NULL for JIT code. Between
 * two lines of a file that is clear; before one it is if the file has that many bytes ahead of what
 * is mapped, since a linker never maps text without what stands before it. */
static const struct pa_map *fragment_file(const struct builder *b, size_t i, uint64_t *ret_offset)
{
	const struct pa_map *m = &b->maps[i];
	const struct pa_map *prev = i && adjoins(m - 1, m) ? m - 1 : NULL;
	const struct pa_map *next = i + 1 < b->count && adjoins(m, m + 1) ? m + 1 : NULL;

	if (!next || !next->inode)
		return NULL;
	if (prev && same_file(prev, next) && prev->offset < next->offset) {
		*ret_offset = prev->offset + (m->start - prev->start);
		return prev;
	}
	if (next->exec && next->offset >= m->end - m->start && (!prev || !prev->inode)) {
		*ret_offset = next->offset - (m->end - m->start);
		return next;
	}
	return NULL;
}

/* Keeps track of where the file being passed begins. Lines of one copy follow each other with
 * rising offsets; a second copy starts over. */
static void track_head(struct builder *b, size_t i)
{
	const struct pa_map *m = &b->maps[i];

	if (!m->inode)
		return;
	if (b->head_line < b->count && same_file(&b->maps[b->head_line], m) && m->offset)
		return;
	b->head_line = i;
}

/* Whether line i, which is executable, belongs to the newest image. */
static bool continues(const struct builder *b, size_t i, const struct pa_map *file)
{
	const struct pa_image *newest;
	const struct pa_map *last;

	if (!b->m.image_count)
		return false;
	newest = &b->m.images[b->m.image_count - 1];
	last = &b->maps[b->last_line];
	if (!file)
		return anonymous(&b->maps[i]) && anonymous(last) && anonymous(newest->map) &&
		       adjoins(last, &b->maps[i]);
	if (!same_file(newest->map, file))
		return false;
	if (same_file(last, &b->maps[i]) && b->maps[i].offset <= last->offset)
		return false;
	/* Nothing of another file in between, and not the next copy of the same one. */
	for (size_t k = b->last_line + 1; k < i; k++) {
		if (b->maps[k].inode && (!same_file(&b->maps[k], file) || !b->maps[k].offset))
			return false;
	}
	return file->offset || anonymous(&b->maps[i]);
}

static void add_image(struct builder *b, const struct pa_region *r, const struct pa_map *file)
{
	struct pa_image *image = &b->m.images[b->m.image_count++];
	const struct pa_map *head = b->head_line < b->count ? &b->maps[b->head_line] : NULL;

	*image = (struct pa_image){
		.shown = {.start = r->start,
			  .limit = r->end,
			  .offset = r->offset,
			  .file = file->path[0] ? file->path : "//anon",
			  .build_id = ""},
		.map = file,
	};
	if (head && file->inode && same_file(head, file) && !head->offset) {
		image->head = head->start;
		image->has_head = true;
	}
}

static void add_region(struct builder *b, struct pa_region r)
{
	b->m.regions[b->m.region_count++] = r;
}

static void add_line(struct builder *b, size_t i)
{
	const struct pa_map *m = &b->maps[i];
	struct pa_region r = {.start = m->start, .end = m->end, .offset = m->offset};
	const struct pa_map *file = anonymous(m) ? fragment_file(b, i, &r.offset) : m;

	if (file && file->start >= m->end) {
		/* The mapping begins with the next line (contract 2.6), but the names reach here. */
		b->pending = true;
		add_region(b, r);
		return;
	}
	if (continues(b, i, file && file->inode ? file : NULL))
		b->m.images[b->m.image_count - 1].shown.limit = r.end;
	else
		add_image(b, &r, file ? file : m);
	b->last_line = i;
	r.image = b->m.image_count - 1;
	if (b->pending)
		b->m.regions[b->m.region_count - 1].image = r.image;
	b->pending = false;
	add_region(b, r);
}

/* Moves the image of the executable to the front. */
static void put_first(struct pa_mappings *m, uint64_t program)
{
	const struct pa_region *r = pa_mappings_find(m, program);
	const size_t first = r ? r->image : 0;
	struct pa_image image;

	if (!first)
		return;
	image = m->images[first];
	memmove(m->images + 1, m->images, first * sizeof(*m->images));
	m->images[0] = image;
	for (size_t i = 0; i < m->region_count; i++) {
		if (m->regions[i].image == first)
			m->regions[i].image = 0;
		else if (m->regions[i].image < first)
			m->regions[i].image++;
	}
}

int pa_mappings_build(const struct pa_map *maps, size_t count, uint64_t program, struct pa_arena *a,
		      struct pa_mappings *ret)
{
	struct builder b = {.maps = maps, .count = count, .head_line = count};
	size_t exec = 0;

	for (size_t i = 0; i < count; i++)
		exec += maps[i].exec;
	b.m.images = pa_arena_alloc(a, (exec + 1) * sizeof(*b.m.images));
	b.m.regions = pa_arena_alloc(a, (exec + 1) * sizeof(*b.m.regions));
	if (!b.m.images || !b.m.regions)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		track_head(&b, i);
		if (maps[i].exec)
			add_line(&b, i);
	}
	put_first(&b.m, program);
	*ret = b.m;
	return 0;
}

const struct pa_region *pa_mappings_find(const struct pa_mappings *m, uint64_t addr)
{
	size_t low = 0, high = m->region_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->regions[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == m->region_count || addr < m->regions[low].start)
		return NULL;
	return &m->regions[low];
}
