/* SPDX-License-Identifier: Apache-2.0
 * The cache of objects. Lock order: an object's lock, then cache_lock. An object without pins is
 * touched by nobody but the holder of cache_lock. */
#include <errno.h>

#include "agent/symbols/object_private.h"

static struct pa_lock cache_lock;
static struct pa_object *cache;
static uint64_t cache_clock;

static void object_free(struct pa_object *o)
{
	pa_symtab_done(&o->symtab);
	pa_fde_done(&o->fdes);
	pa_map64_done(&o->names);
	pa_arena_done(&o->arena);
	pa_pages_free(o, sizeof(*o));
}

/* Caller holds cache_lock. */
static size_t cache_total(void)
{
	size_t total = 0;

	for (const struct pa_object *o = cache; o; o = o->next)
		total += atomic_load_explicit(&o->bytes, memory_order_relaxed);
	return total;
}

/* Caller holds cache_lock. Drops the longest unused objects until at most `max` bytes are left or
 * everything is pinned. */
static void shrink(size_t max)
{
	size_t total = cache_total();

	while (total > max) {
		struct pa_object **oldest = NULL, *o;

		for (struct pa_object **at = &cache; *at; at = &(*at)->next) {
			if (!(*at)->pins && (!oldest || (*at)->used < (*oldest)->used))
				oldest = at;
		}
		if (!oldest)
			return;
		o = *oldest;
		*oldest = o->next;
		total -= atomic_load_explicit(&o->bytes, memory_order_relaxed);
		object_free(o);
	}
}

size_t pa_object_cache_bytes(void)
{
	size_t total;

	pa_lock(&cache_lock);
	total = cache_total();
	pa_unlock(&cache_lock);
	return total;
}

void pa_object_cache_drop(void)
{
	pa_lock(&cache_lock);
	shrink(0);
	pa_unlock(&cache_lock);
}

/* Caller holds cache_lock. */
static struct pa_object *pin_cached(const struct pa_object_id *id)
{
	for (struct pa_object *o = cache; o; o = o->next) {
		if (pa_object_id_equal(&o->id, id)) {
			o->pins++;
			o->used = ++cache_clock;
			return o;
		}
	}
	return NULL;
}

struct pa_object *pa_object_find(const struct pa_object_id *id)
{
	struct pa_object *o;

	pa_lock(&cache_lock);
	o = pin_cached(id);
	pa_unlock(&cache_lock);
	return o;
}

static struct pa_object *object_new(const struct pa_elf *e)
{
	struct pa_object *o = pa_pages_alloc(sizeof(*o));

	if (!o) {
		pa_object_cache_drop();
		o = pa_pages_alloc(sizeof(*o));
	}
	if (!o)
		return NULL;
	o->pins = 1;
	o->elf = *e;
	pa_elf_build_id(e, o->build_id);
	pa_object_count_bytes(o);
	return o;
}

int pa_object_get(const struct pa_object_id *id, const struct pa_elf *e, struct pa_object **ret)
{
	struct pa_object *o = object_new(e), *other = NULL;

	if (!o)
		return -ENOMEM;
	if (id) {
		o->id = *id;
		pa_lock(&cache_lock);
		other = pin_cached(id); /* another thread may have been faster */
		if (!other) {
			o->cached = true;
			o->used = ++cache_clock;
			o->next = cache;
			cache = o;
		}
		pa_unlock(&cache_lock);
	}
	if (other)
		object_free(o);
	*ret = other ? other : o;
	return 0;
}

void pa_object_put(struct pa_object *o)
{
	if (!o)
		return;
	if (!o->cached) {
		object_free(o);
		return;
	}
	pa_lock(&cache_lock);
	o->pins--;
	shrink(PA_OBJECT_CACHE_MAX);
	pa_unlock(&cache_lock);
}

void pa_object_fork_child(void)
{
	/* A lock held at the fork means that what it guards may be half changed: it is left behind,
	 * pages and all. */
	if (atomic_load_explicit(&cache_lock.state, memory_order_relaxed))
		cache = NULL;
	cache_lock = (struct pa_lock){0};
	for (struct pa_object **at = &cache; *at;) {
		struct pa_object *o = *at;

		if (atomic_load_explicit(&o->lock.state, memory_order_relaxed)) {
			*at = o->next;
			continue;
		}
		o->pins = 0;
		at = &o->next;
	}
}
