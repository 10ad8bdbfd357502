/* SPDX-License-Identifier: Apache-2.0
 * The journal of objects: entries are born, die, come back, and are forgotten in the end. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/base/arena.h"
#include "agent/base/modules_private.h"
#include "agent/base/sort.h"

/* Room that is there from the start, so that a plugin more does not grow anything. */
#define ENTRIES_MIN 128

struct pa_modules pa_modules_journal;

static struct pa_module_life *last_life(struct pa_module_entry *e)
{
	return &e->lives[e->life_count - 1];
}

/* What the maps say about the object: its executable part, its file. m->path points into them. */
static void describe(struct pa_module *m, const struct pa_map *maps, size_t count)
{
	const struct pa_map *file = NULL, *map;
	size_t low = 0, high = count;
	bool file_code = false;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (maps[mid].end <= m->object.lo)
			low = mid + 1;
		else
			high = mid;
	}
	m->path = "";
	for (map = maps + low; map < maps + count && map->start < m->object.hi; map++) {
		const bool own = map->inode == m->object.inode && map->dev == m->object.dev;

		if (own && !file)
			file = map;
		if (!map->exec)
			continue;
		/* Where code was moved to huge pages, the file's place for it is counted on. */
		if (!m->limit || (own && !file_code)) {
			m->start = map->start;
			m->first_end = map->end;
			m->offset = own || !file ? map->offset
						 : file->offset + (map->start - file->start);
			file_code = own;
		}
		m->limit = map->end;
	}
	if (file) {
		m->path = file->path;
		m->deleted = file->deleted;
	}
}

/* Size and time of the object's file; zeros when it is not at its path. */
static void file_state(const struct pa_module *m, uint64_t *ret_size, uint64_t *ret_mtime_ns)
{
	struct stat st;

	*ret_size = *ret_mtime_ns = 0;
	if (m->deleted || m->path[0] != '/' || stat(m->path, &st) || st.st_ino != m->object.inode)
		return;
	*ret_size = (uint64_t)st.st_size;
	*ret_mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
}

/* Whether *m, just described, is what the entry stands for. */
static bool same(const struct pa_module_entry *e, const struct pa_module *m)
{
	const struct pa_module_object *a = &e->m.object, *b = &m->object;
	uint64_t size, mtime_ns;

	if (a->lo != b->lo || a->hi != b->hi || a->identity != b->identity ||
	    a->has_build_id != b->has_build_id || a->head != b->head)
		return false;
	if (a->has_build_id)
		return true;
	if (a->inode != b->inode || a->dev != b->dev)
		return false;
	/* A file can be written over between two loads. */
	if (e->m.alive || !a->inode)
		return true;
	file_state(m, &size, &mtime_ns);
	return size == e->m.size && mtime_ns == e->m.mtime_ns;
}

/* Whether other code was at the entry's addresses since it died. */
static bool taken_since(const struct pa_modules *j, struct pa_module_entry *e)
{
	if (e->m.vacant)
		return true;
	for (size_t i = 0; i < j->count; i++) {
		struct pa_module_entry *o = &j->entries[i];

		if (o != e && o->m.object.lo < e->m.object.hi && e->m.object.lo < o->m.object.hi &&
		    last_life(o)->to > last_life(e)->to)
			return true;
	}
	return false;
}

static void revive(struct pa_modules *j, struct pa_module_entry *e, uint32_t generation)
{
	e->m.alive = true;
	j->dead--;
	if (!taken_since(j, e)) {
		last_life(e)->to = PA_MODULES_NOW;
		return;
	}
	if (e->life_count == PA_MODULE_LIVES) {
		e->lives[0].to = e->lives[1].to;
		memmove(&e->lives[1], &e->lives[2], (PA_MODULE_LIVES - 2) * sizeof(*e->lives));
		e->life_count--;
	}
	e->lives[e->life_count++] = (struct pa_module_life){generation, PA_MODULES_NOW};
}

static void die(struct pa_modules *j, struct pa_module_entry *e, uint32_t generation)
{
	e->m.alive = false;
	e->wanted = false;
	j->dead++;
	last_life(e)->to = generation - 1;
}

/* The file may have another name by now, or none. */
static void refresh(struct pa_modules *j, struct pa_module_entry *e, const struct pa_module *m)
{
	size_t path;

	if (m->deleted && !e->m.deleted)
		e->wanted = !e->m.object.permanent;
	e->m.deleted = m->deleted;
	e->m.object.inode = m->object.inode;
	e->m.object.dev = m->object.dev;
	e->m.object.permanent = m->object.permanent;
	if (strcmp(pa_module_path(j, e), m->path) != 0 &&
	    !pa_module_path_store(j, m->path, &path)) {
		pa_module_path_forget(j, e);
		e->path = path;
	}
}

/* Whether anything else is known of these addresses. */
static bool used_before(const struct pa_modules *j, const struct pa_module_object *o, size_t known)
{
	for (size_t i = 0; i < known; i++) {
		const struct pa_module_object *was = &j->entries[i].m.object;

		if (was->lo < o->hi && o->lo < was->hi)
			return true;
	}
	return pa_module_ranges_overlap(&j->others, o->lo, o->hi);
}

/* Appends an entry, out of order. The first `known` ones were there before the update. */
static int add(struct pa_modules *j, struct pa_module *m, uint32_t generation, size_t known)
{
	struct pa_module_entry *e;
	void *entries = j->entries;
	size_t path;

	if (pa_pages_grow(&entries, &j->entries_cap,
			  PA_MAX(j->count + 1, ENTRIES_MIN) * sizeof(*e)))
		return -ENOMEM;
	j->entries = entries;
	if (pa_module_path_store(j, m->path, &path))
		return -ENOMEM;
	file_state(m, &m->size, &m->mtime_ns);
	e = &j->entries[j->count];
	*e = (struct pa_module_entry){
		.m = *m,
		.path = path,
		.lives = {{generation, PA_MODULES_NOW}},
		.life_count = 1,
		.seen = true,
		.wanted = !m->object.permanent,
	};
	e->m.serial = ++j->serial;
	e->m.alive = true;
	if (used_before(j, &m->object, known))
		e->m.alias = pa_modules_new_alias(j);
	j->count++;
	return 0;
}

static int compare(const void *a, const void *b, void *arg PA_UNUSED)
{
	const struct pa_module_entry *x = a, *y = b;

	if (x->m.object.lo != y->m.object.lo)
		return x->m.object.lo < y->m.object.lo ? -1 : 1;
	return x->m.serial < y->m.serial ? -1 : x->m.serial > y->m.serial;
}

/* The entry of *m among those from `at` on, which begin at its address or above. */
static struct pa_module_entry *find(struct pa_modules *j, size_t at, size_t known,
				    const struct pa_module *m)
{
	for (; at < known && j->entries[at].m.object.lo == m->object.lo; at++)
		if (same(&j->entries[at], m))
			return &j->entries[at];
	return NULL;
}

static void drop(struct pa_modules *j, size_t i)
{
	struct pa_module_entry *e = &j->entries[i];

	/* The next object there may not get addresses that a profile knows from this one. */
	if (!e->m.alias)
		pa_module_ranges_add(&j->others, e->m.object.lo, e->m.object.hi);
	if (e->m.kept)
		pa_modules_keeper.drop(e->m.kept);
	pa_module_path_forget(j, e);
	memmove(e, e + 1, (j->count - i - 1) * sizeof(*e));
	j->count--;
	j->dead--;
	j->dropped++;
}

static bool drop_oldest(struct pa_modules *j)
{
	size_t oldest = j->count;

	for (size_t i = 0; i < j->count; i++)
		if (!j->entries[i].m.alive &&
		    (oldest == j->count ||
		     last_life(&j->entries[i])->to < last_life(&j->entries[oldest])->to))
			oldest = i;
	if (oldest == j->count)
		return false;
	drop(j, oldest);
	return true;
}

/* Matches the objects, which are in order of address as the entries are. */
static int enter(struct pa_modules *j, const struct pa_map *maps, size_t map_count,
		 const struct pa_module_object *objects, size_t count, uint32_t generation)
{
	const size_t known = j->count;
	size_t at = 0;
	int err = 0;

	for (size_t i = 0; i < count; i++) {
		struct pa_module m = {.object = objects[i]};
		struct pa_module_entry *e;

		describe(&m, maps, map_count);
		while (at < known && j->entries[at].m.object.lo < m.object.lo)
			at++;
		e = find(j, at, known, &m);
		if (!e) {
			err = add(j, &m, generation, known) ? -ENOMEM : err;
			continue;
		}
		e->seen = true;
		refresh(j, e, &m);
	}
	return err;
}

/* Before it is known who died, everybody is as they were in the generation before. */
static void settle(struct pa_modules *j, uint32_t generation)
{
	for (size_t i = 0; i < j->count; i++)
		if (j->entries[i].m.alive && !j->entries[i].seen)
			die(j, &j->entries[i], generation);
	for (size_t i = 0; i < j->count; i++) {
		if (!j->entries[i].m.alive && j->entries[i].seen)
			revive(j, &j->entries[i], generation);
		j->entries[i].seen = false;
	}
}

int pa_modules_update(const struct pa_map *maps, size_t map_count,
		      const struct pa_module_object *objects, size_t count, uint32_t generation)
{
	struct pa_modules *j = &pa_modules_journal;
	size_t known;
	int err;

	pa_lock(&j->lock);
	known = j->count;
	err = enter(j, maps, map_count, objects, count, generation);
	settle(j, generation);
	if (j->count > known)
		pa_sort(j->entries, j->count, sizeof(*j->entries), compare, NULL);
	while (j->dead > PA_MODULES_DEAD_MAX && drop_oldest(j))
		;
	if (pa_modules_index(j))
		err = -ENOMEM;
	pa_unlock(&j->lock);
	return err;
}

bool pa_modules_drop_oldest(void)
{
	struct pa_modules *j = &pa_modules_journal;
	bool dropped;

	pa_lock(&j->lock);
	dropped = drop_oldest(j) && !pa_modules_index(j);
	pa_unlock(&j->lock);
	return dropped;
}

void pa_modules_each(void (*fn)(const struct pa_module *m, void *arg), void *arg)
{
	struct pa_modules *j = &pa_modules_journal;

	pa_lock(&j->lock);
	for (size_t i = 0; i < j->count; i++) {
		struct pa_module m = j->entries[i].m;

		m.path = pa_module_path(j, &j->entries[i]);
		fn(&m, arg);
	}
	pa_unlock(&j->lock);
}

void pa_modules_stats_get(struct pa_modules_stats *ret)
{
	struct pa_modules *j = &pa_modules_journal;

	pa_lock(&j->lock);
	*ret = (struct pa_modules_stats){
		.count = j->count,
		.dead = j->dead,
		.bytes = j->entries_cap + j->pool_cap + j->index_cap,
		.dropped = j->dropped,
	};
	pa_unlock(&j->lock);
}

void pa_modules_fork_child(void)
{
	struct pa_modules *j = &pa_modules_journal;

	/* A lock held at the fork means that what it guards may be half changed: it is left behind,
	 * pages and all. */
	if (atomic_load_explicit(&j->lock.state, memory_order_relaxed)) {
		*j = (struct pa_modules){.slot = j->slot, .serial = j->serial};
		atomic_store_explicit(&pa_modules_ambiguous, false, memory_order_relaxed);
	}
	j->lock = (struct pa_lock){0};
}
