/* SPDX-License-Identifier: Apache-2.0
 * Keeps the snapshot of objects in line with the process: reads its maps, takes over the tables
 * of objects that are still there, compiles the others, frees what no walk can see any more. */
#include <errno.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/hash.h"
#include "agent/base/lock.h"
#include "agent/base/log.h"
#include "agent/base/maps.h"
#include "agent/unwind/snapshot.h"
#include "agent/unwind/unwind.h"
#include "agent/unwind/walk.h"

/* Rounds of one update: the host may open and close libraries faster than they are compiled. */
#define ROUNDS_MAX 4

/* Objects that did not fit are tried again once that much less memory is in use. */
#define STARVED_STEP ((size_t)1 << 20)

static struct pa_lock update_lock;
static size_t starved_at; /* memory in use when the last one did not fit. Under update_lock */

/* Snapshots replaced but not freed, newest first. Unlinked before they are freed, so that a child
 * forked at any moment has a list it can go on with. */
static struct pa_snapshot *_Atomic retired;

void pa_unwind_init(int (*find_object)(void *, struct dl_find_object *))
{
	/* Relaxed: a function of libc, there since before this process ran any code of ours. */
	atomic_store_explicit(&pa_find_object, find_object, memory_order_relaxed);
	pa_object_init();
}

static bool may_begin_object(const struct pa_map *m)
{
	return !m->offset && m->read && (m->inode || !strcmp(m->path, "[vdso]"));
}

static struct pa_snapshot *snapshot_new(const struct pa_map *maps, size_t count)
{
	size_t n = 0, bytes;
	struct pa_snapshot *s;

	for (size_t i = 0; i < count; i++)
		n += maps[i].exec || may_begin_object(&maps[i]);
	bytes = sizeof(*s) + n * (sizeof(s->entries[0]) + sizeof(s->starts[0]));
	s = pa_pages_alloc(bytes);
	if (s)
		s->bytes = bytes;
	return s;
}

static void add_entry(struct pa_snapshot *s, const struct pa_object *o, struct pa_table *table)
{
	struct pa_snapshot_entry *e = &s->entries[s->count++];

	e->object = *o;
	atomic_init(&e->table, table);
}

/* The part of a mapping above `covered`, if that is code of an object without headers. It must be
 * in the snapshot, or every walk through it would wait for the next update. */
static bool read_bare(const struct pa_map *m, uint64_t covered, struct pa_object *ret)
{
	struct pa_object o = {
		.lo = PA_MAX(m->start, covered), .hi = m->end, .dev = m->dev, .inode = m->inode};

	o.code_lo = o.lo;
	o.code_hi = o.hi;
	if (!pa_object_bare(&o))
		return false;
	*ret = o;
	return true;
}

/* Adds all objects. Code without headers is mostly an object that came or went while it was looked
 * at: false, and not added, unless `settle`. */
static bool fill(struct pa_snapshot *s, const struct pa_map *maps, size_t count, bool settle)
{
	uint64_t covered = 0;
	struct pa_object o;
	uint64_t *starts;
	bool all = true;

	/* At most one entry a map, and only for those snapshot_new has counted. */
	for (size_t i = 0; i < count; i++) {
		const struct pa_map *m = &maps[i];

		if (m->end <= covered)
			continue;
		if (may_begin_object(m) && !pa_object_read(maps, count, i, &o) && o.lo >= covered) {
			add_entry(s, &o, NULL);
			covered = o.hi;
		} else if (m->exec && read_bare(m, covered, &o)) {
			if (settle) {
				add_entry(s, &o, &pa_table_empty);
				covered = o.hi;
			}
			all = settle;
		}
	}
	starts = (uint64_t *)(void *)&s->entries[s->count];
	for (uint32_t i = 0; i < s->count; i++)
		starts[i] = s->entries[i].object.lo;
	s->starts = starts;
	return all;
}

/* Takes over the tables of objects that both have. True when the old snapshot will do. */
static bool inherit(struct pa_snapshot *s, const struct pa_snapshot *old)
{
	bool equal = old && s->count == old->count;

	for (uint32_t i = 0; i < s->count; i++) {
		struct pa_snapshot_entry *e = &s->entries[i];
		const struct pa_snapshot_entry *was =
			old ? pa_snapshot_find(old, e->object.lo) : NULL;

		if (!was || !pa_object_same(&e->object, &was->object)) {
			equal = false;
			continue;
		}
		if (was->starved && pa_mem_used() + STARVED_STEP <= starved_at) {
			equal = false;
			continue;
		}
		e->starved = was->starved;
		e->failures = was->failures;
		/* Relaxed: only this thread stores tables. */
		atomic_init(&e->table, atomic_load_explicit(&was->table, memory_order_relaxed));
	}
	return equal;
}

/* Marks the tables of `old` that live on in s. */
static void mark_kept(struct pa_snapshot *old, const struct pa_snapshot *s)
{
	for (uint32_t i = 0; old && i < old->count; i++) {
		struct pa_snapshot_entry *e = &old->entries[i];
		const struct pa_snapshot_entry *now = pa_snapshot_find(s, e->object.lo);

		e->kept = now && atomic_load_explicit(&now->table, memory_order_relaxed) ==
					 atomic_load_explicit(&e->table, memory_order_relaxed);
	}
}

static void publish(struct pa_snapshot *s)
{
	struct pa_snapshot *old = atomic_load_explicit(&pa_snapshot, memory_order_relaxed);

	mark_kept(old, s);
	atomic_store_explicit(&pa_snapshot, s, memory_order_seq_cst);
	if (old) {
		old->retired = atomic_load_explicit(&retired, memory_order_relaxed);
		atomic_store_explicit(&retired, old, memory_order_release);
	}
}

/* Frees retired snapshots when no walk can hold one; otherwise the next update tries again. The
 * argument is in snapshot.h. */
static void reclaim(void)
{
	struct pa_snapshot *s;

	if (atomic_load_explicit(&pa_snapshot_readers, memory_order_seq_cst))
		return;
	while ((s = atomic_load_explicit(&retired, memory_order_relaxed)) != NULL) {
		atomic_store_explicit(&retired, s->retired, memory_order_release);
		for (uint32_t i = 0; i < s->count; i++)
			if (!s->entries[i].kept)
				pa_table_free(atomic_load_explicit(&s->entries[i].table,
								   memory_order_relaxed));
		pa_pages_free(s, s->bytes);
	}
}

/* Whether what stands in the way of rows will stay: an object that was gone for a moment only
 * cannot be told from one that cannot be read, but by trying again. */
static bool is_final(struct pa_snapshot_entry *e, int err)
{
	return !err || err == -ENOMEM || !e->object.eh_frame_hdr || ++e->failures == ROUNDS_MAX;
}

/* Compiles one object. False when it went away meanwhile, or seems to have. */
static bool compile(struct pa_snapshot_entry *e)
{
	struct pa_table *table;
	int err = pa_object_compile(&e->object, &table);

	/* The copy may be of another object that was opened in its place. */
	if (!pa_object_still(&e->object) || !is_final(e, err)) {
		if (!err)
			pa_table_free(table);
		return false;
	}
	if (err == -ENOMEM) {
		e->starved = true;
		starved_at = pa_mem_used();
	}
	atomic_store_explicit(&e->table, err ? &pa_table_empty : table, memory_order_release);
	return true;
}

/* Compiles what has no table yet. False when objects went away, so that a new snapshot is due. */
static bool compile_pending(struct pa_snapshot *s)
{
	bool all = true;

	for (uint32_t i = 0; i < s->count; i++)
		if (!atomic_load_explicit(&s->entries[i].table, memory_order_relaxed))
			all &= compile(&s->entries[i]);
	return all;
}

/* Enters the objects of a snapshot in the journal, before any walk sees it. */
static void enter_journal(const struct pa_snapshot *s, const struct pa_map *maps, size_t count,
			  struct pa_arena *a)
{
	struct pa_module_object *objects = pa_arena_alloc(a, s->count * sizeof(*objects));
	int err = -ENOMEM;

	for (uint32_t i = 0; objects && i < s->count; i++) {
		const struct pa_object *o = &s->entries[i].object;

		objects[i] = (struct pa_module_object){
			.lo = o->lo,
			.hi = o->hi,
			.head = o->header,
			.bias = o->bias,
			.inode = o->inode,
			.identity = pa_hash_mix(o->header_hash ^ pa_hash_mix(o->probe_value)),
			.dev = o->dev,
			.has_build_id = o->has_build_id,
			.permanent = o->permanent,
		};
	}
	if (objects)
		err = pa_modules_update(maps, count, objects, s->count, s->generation);
	if (err)
		pa_debug("journal of objects: %s", pa_errno_text(err));
}

/* Puts a snapshot of the present objects in force and compiles them. 0; -EAGAIN when objects came
 * or went meanwhile, which is not waited for when `settle`; or another -errno. */
static int refresh(bool settle)
{
	struct pa_snapshot *old = atomic_load_explicit(&pa_snapshot, memory_order_relaxed);
	struct pa_arena arena = {0};
	struct pa_snapshot *s = NULL;
	struct pa_map *maps;
	size_t count;
	bool all, equal;
	int err;

	err = pa_maps_read(&arena, &maps, &count);
	if (err)
		goto out;
	s = snapshot_new(maps, count);
	if (!s) {
		err = -ENOMEM;
		goto out;
	}
	all = fill(s, maps, count, settle);
	equal = inherit(s, old);
	s->generation = old ? old->generation + !equal : 1;
	enter_journal(s, maps, count, &arena);
	if (all || settle)
		pa_modules_note_others(maps, count);
	pa_arena_done(&arena); /* what follows may need the memory */
	if (equal)
		pa_pages_free(s, s->bytes);
	else
		publish(s);
	all &= compile_pending(atomic_load_explicit(&pa_snapshot, memory_order_relaxed));
	err = all || settle ? 0 : -EAGAIN;
out:
	pa_arena_done(&arena);
	return err;
}

int pa_unwind_update(void)
{
	int err = -EAGAIN;

	pa_lock(&update_lock);
	for (int round = 1; err == -EAGAIN && round <= ROUNDS_MAX; round++)
		err = refresh(round == ROUNDS_MAX);
	reclaim();
	pa_unlock(&update_lock);
	pa_modules_keep();
	return err;
}

bool pa_unwind_unseen(uint64_t pc)
{
	const struct pa_snapshot *s = pa_snapshot_enter();
	bool unseen = s && pa_plausible_code(pc) && !pa_snapshot_find(s, pc);

	pa_snapshot_leave();
	return unseen && !pa_modules_noted(pc);
}

void pa_unwind_stats_get(struct pa_unwind_stats *ret)
{
	const struct pa_snapshot *s = pa_snapshot_enter();
	struct pa_unwind_stats st = {0};

	for (uint32_t i = 0; s && i < s->count; i++) {
		const struct pa_table *t =
			atomic_load_explicit(&s->entries[i].table, memory_order_acquire);

		st.objects++;
		if (!t)
			continue;
		st.rows += t->count;
		st.bytes += t->bytes;
		st.inexpressible_rows += t->inexpressible;
		st.skipped_objects += t == &pa_table_empty;
	}
	pa_snapshot_leave();
	*ret = st;
}

void pa_unwind_fork_child(void)
{
	atomic_store_explicit(&pa_snapshot_readers, 0, memory_order_relaxed);
	atomic_store_explicit(&update_lock.state, 0, memory_order_relaxed);
	pa_modules_fork_child();
}
