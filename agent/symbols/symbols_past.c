/* SPDX-License-Identifier: Apache-2.0
 * The part of a view that /proc/self/maps does not tell: objects that are gone, and those that lie
 * where another one was before, whose frames have moved (agent/base/modules.h). */
#include <errno.h>
#include <string.h>

#include "agent/base/sort.h"
#include "agent/symbols/symbols_private.h"
#include "agent/symbols/utf8.h"

/* A module that is gone, or what lay at its place when it was. */
struct pa_past_image {
	struct pa_module m;
	struct pa_map map;
	uint64_t shift;       /* canonical - raw address */
	struct pa_kept *kept; /* pinned until the image is opened */
	size_t shown;         /* index of its mapping, PA_NO_MAPPING: not listed yet */
	bool vacant;          /* its addresses only, nothing else of it */
	bool opened;
};

/* Collects under the lock of the journal. */
struct collection {
	struct pa_symbols *s;
	struct pa_past *past;
	uint64_t *shifts; /* of live images */
	size_t room; /* for what the journal had when it was counted; others stay without names */
};

static void count_module(const struct pa_module *m, void *arg)
{
	size_t *count = arg;

	/* Of those that are there, one may turn out to be gone, or another one. */
	*count += !m->alive || !m->object.permanent;
	*count += m->vacant != 0;
}

/* The live image that is the module, PA_NO_MAPPING when that is gone by now. */
static size_t live_image(const struct pa_symbols *s, const struct pa_module *m)
{
	const struct pa_region *r = m->alive ? pa_mappings_find(&s->mappings, m->start) : NULL;
	const struct pa_map *map = r ? s->mappings.images[r->image].map : NULL;
	const struct pa_image_symbols *live;
	const struct pa_object_id *id;

	if (!r || map->inode != m->object.inode || map->dev != m->object.dev)
		return PA_NO_MAPPING;
	live = &s->images[r->image];
	if (live->build_id[0]) {
		const char *was = m->kept ? pa_kept_build_id(m->kept) : "";

		return !was[0] || !strcmp(was, live->build_id) ? r->image : PA_NO_MAPPING;
	}
	/* A file that was written over is another one. */
	id = live->object && live->path ? pa_object_id(live->object) : NULL;
	if (id && m->size && (id->size != m->size || id->mtime_ns != m->mtime_ns))
		return PA_NO_MAPPING;
	return r->image;
}

static void add_past(struct collection *c, const struct pa_module *m, bool vacant)
{
	struct pa_past *p = c->past;
	const uint64_t base = vacant ? m->vacant : m->alias;
	const uint64_t shift = base ? base - m->object.lo : 0;
	char *path = pa_arena_strndup(&c->s->arena, m->path, strlen(m->path));
	struct pa_past_image *image;

	if (p->count == c->room || !path)
		return;
	image = &p->images[p->count];
	*image = (struct pa_past_image){
		.m = *m,
		.map = {.start = m->start,
			.end = m->first_end,
			.offset = m->offset,
			.inode = m->object.inode,
			.dev = m->object.dev,
			.exec = true,
			.deleted = m->deleted,
			.path = path},
		.shift = shift,
		.kept = m->kept && !vacant ? pa_kept_pin(m->kept) : NULL,
		.shown = PA_NO_MAPPING,
		.vacant = vacant,
	};
	image->m.path = path;
	p->regions[p->count] = (struct pa_region){
		.start = (vacant ? m->object.lo : m->start) + shift,
		.end = (vacant ? m->object.hi : m->limit) + shift,
		.offset = m->offset,
		.image = c->s->mappings.image_count + p->count,
	};
	p->count++;
}

/* A copy of the image has no more names than the image itself. */
static bool has_file_copy(const struct pa_module *m)
{
	const struct pa_elf *copy = m->kept ? pa_kept_elf(m->kept) : NULL;

	return copy && !copy->image;
}

static void collect_module(const struct pa_module *m, void *arg)
{
	struct collection *c = arg;
	const size_t live = live_image(c->s, m);
	struct pa_image_symbols *image;

	if (m->vacant)
		add_past(c, m, true);
	if (live == PA_NO_MAPPING) {
		add_past(c, m, false);
		return;
	}
	if (m->alias)
		c->shifts[live] = m->alias - m->object.lo;
	image = &c->s->images[live];
	if (image->object && !image->path && !image->kept && has_file_copy(m))
		image->kept = pa_kept_pin(m->kept);
}

static int compare(const void *a, const void *b, void *arg PA_UNUSED)
{
	const struct pa_region *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Moves the images that have an alias to it. */
static void shift_images(struct pa_symbols *s, const uint64_t *shifts)
{
	struct pa_mappings *m = &s->mappings;

	for (size_t i = 0; i < m->region_count; i++) {
		m->regions[i].start += shifts[m->regions[i].image];
		m->regions[i].end += shifts[m->regions[i].image];
	}
	for (size_t i = 0; i < m->image_count; i++) {
		s->shown[i].start += shifts[i];
		s->shown[i].limit += shifts[i];
		s->images[i].bias += shifts[i];
	}
	pa_sort(m->regions, m->region_count, sizeof(*m->regions), compare, NULL);
}

static int past_alloc(struct pa_symbols *s, size_t room)
{
	struct pa_past *p = &s->past;
	const size_t live = s->mappings.image_count;
	struct pa_image *images = pa_arena_alloc(&s->arena, (live + room) * sizeof(*images));

	p->images = pa_arena_alloc(&s->arena, room * sizeof(*p->images));
	p->regions = pa_arena_alloc(&s->arena, room * sizeof(*p->regions));
	if (!images || !p->images || !p->regions)
		return -ENOMEM;
	memcpy(images, s->mappings.images, live * sizeof(*images));
	s->mappings.images = images;
	return 0;
}

size_t pa_symbols_past_room(void)
{
	size_t room = 0;

	pa_modules_each(count_module, &room);
	return room;
}

int pa_symbols_past_open(struct pa_symbols *s, size_t room)
{
	const size_t live = s->mappings.image_count;
	struct collection c = {.s = s, .past = &s->past, .room = room};

	c.shifts = pa_arena_alloc(&s->arena, (live + 1) * sizeof(*c.shifts));
	if (!c.shifts || past_alloc(s, room))
		return -ENOMEM;
	pa_modules_each(collect_module, &c);
	for (size_t i = 0; i < s->past.count; i++) {
		const struct pa_past_image *p = &s->past.images[i];

		s->mappings.images[live + i] = (struct pa_image){
			.shown = {.start = s->past.regions[i].start,
				  .limit = s->past.regions[i].end,
				  .offset = p->m.offset,
				  .file = p->m.path},
			.map = &p->map,
		};
	}
	pa_sort(s->past.regions, s->past.count, sizeof(*s->past.regions), compare, NULL);
	for (size_t i = 0; i < live; i++) {
		if (!s->images[i].kept)
			continue;
		pa_image_use_copy(&s->images[i]);
		s->shown[i].build_id = s->images[i].build_id;
	}
	shift_images(s, c.shifts);
	return 0;
}

void pa_symbols_past_close(struct pa_symbols *s)
{
	for (size_t i = 0; i < s->past.count; i++) {
		if (s->past.images[i].opened)
			pa_image_close(&s->images[s->mappings.image_count + i]);
		else
			pa_kept_put(s->past.images[i].kept);
	}
}

const struct pa_region *pa_symbols_past_region(struct pa_symbols *s, uint64_t addr)
{
	size_t low = 0, high = s->past.count;
	const struct pa_region *r;
	struct pa_past_image *p;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->past.regions[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	r = &s->past.regions[low];
	if (low == s->past.count || addr < r->start)
		return NULL;
	p = &s->past.images[r->image - s->mappings.image_count];
	if (!p->opened && !p->vacant) {
		pa_image_open_gone(&s->images[r->image], &s->mappings.images[r->image], &p->m,
				   p->kept);
		s->images[r->image].bias += p->shift;
		p->opened = true;
	}
	return r;
}

size_t pa_symbols_past_mapping(struct pa_symbols *s, const struct pa_region *r)
{
	struct pa_past_image *p = &s->past.images[r->image - s->mappings.image_count];
	const char *path = p->vacant || !p->m.path[0] ? "//anon" : p->m.path;
	struct pa_mapping *m = &s->shown[s->shown_count];
	char *file;

	if (p->shown != PA_NO_MAPPING)
		return p->shown;
	file = pa_arena_strndup(&s->arena, path, strlen(path));
	if (!file)
		return PA_NO_MAPPING;
	pa_utf8_clean(file);
	*m = s->mappings.images[r->image].shown;
	m->file = file;
	m->build_id = p->opened ? s->images[r->image].build_id : "";
	p->shown = s->shown_count++;
	return p->shown;
}

/* Names code that was in no object, by its own address. Whether a compiler had made it, nobody knows
 * once it is gone. */
static void name_vacant(struct pa_symbols *s, uint64_t raw, struct pa_symbol *ret)
{
	const struct pa_perfmap_name *compiled = pa_perfmap_find(&s->perfmaps, raw);
	const struct pa_region *r = pa_mappings_find(&s->mappings, raw);
	const bool anonymous = r && !s->mappings.images[r->image].map->inode;

	ret->name = anonymous ? "[anonymous code]" : "[unloaded code]";
	if (compiled) {
		ret->name = compiled->name;
		ret->start = compiled->start;
	}
	ret->system_name = ret->name;
	ret->known = true;
}

bool pa_symbols_past_name(struct pa_symbols *s, const struct pa_region *r, uint64_t addr,
			  struct pa_symbol *ret)
{
	const struct pa_past_image *p = &s->past.images[r->image - s->mappings.image_count];
	struct pa_image_symbols *image = &s->images[r->image];
	const struct pa_object_name *name;

	ret->mapping = pa_symbols_past_mapping(s, r);
	if (p->vacant) {
		name_vacant(s, addr - p->shift, ret);
		ret->start += ret->start ? p->shift : 0;
		return true;
	}
	name = pa_image_name(image, &s->mappings.images[r->image], addr, &s->reader);
	if (name) {
		ret->name = name->name;
		ret->system_name = name->system_name;
		ret->start = name->vaddr + image->bias;
		ret->known = true;
		return true;
	}
	ret->start = pa_image_function(image, addr, &s->reader);
	return false;
}
