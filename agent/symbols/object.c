/* SPDX-License-Identifier: Apache-2.0
 * Objects and their cache. Lock order: an object's lock, then cache_lock. An object without pins
 * is touched by nobody but the holder of cache_lock. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/file.h"
#include "agent/base/hash.h"
#include "agent/base/lock.h"
#include "agent/symbols/object.h"
#include "agent/symbols/utf8.h"

struct pa_object {
	/* Under cache_lock. */
	struct pa_object *next;
	unsigned pins;
	uint64_t used; /* value of cache_clock at the last pin */
	bool cached;

	/* Constant. */
	struct pa_object_id id;
	struct pa_elf elf;
	char build_id[PA_BUILD_ID_HEX];

	/* Under lock. The symbol table is constant once loaded. */
	struct pa_lock lock;
	bool loaded;
	int failed; /* -errno that will not go away */
	struct pa_symtab symtab;
	struct pa_map64 names; /* last alias of a function -> struct pa_object_name */
	struct pa_arena arena;

	_Atomic size_t bytes;
};

static struct pa_lock cache_lock;
static struct pa_object *cache;
static uint64_t cache_clock;

int pa_object_open_file(const char *path, struct pa_object_id *ret_id)
{
	struct stat st;
	int fd, r;

	/* Whatever stands at the path by now must neither block nor become our terminal. */
	fd = pa_fd_high(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size < 0)
		r = -ENOEXEC;
	else
		r = 0;
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_id = (struct pa_object_id){
		.dev = st.st_dev,
		.inode = st.st_ino,
		.size = (uint64_t)st.st_size,
		.mtime_ns =
			(uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec,
	};
	return fd;
}

bool pa_object_id_equal(const struct pa_object_id *a, const struct pa_object_id *b)
{
	return a->dev == b->dev && a->inode == b->inode && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns;
}

static void object_free(struct pa_object *o)
{
	pa_symtab_done(&o->symtab);
	pa_map64_done(&o->names);
	pa_arena_done(&o->arena);
	pa_pages_free(o, sizeof(*o));
}

/* Caller holds o->lock, or nobody else knows o. */
static void count_bytes(struct pa_object *o)
{
	size_t bytes = sizeof(*o) + pa_symtab_bytes(&o->symtab) + o->names.bytes +
		       pa_arena_size(&o->arena);

	/* Relaxed: a sum of these decides about eviction only. */
	atomic_store_explicit(&o->bytes, bytes, memory_order_relaxed);
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
	count_bytes(o);
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

const struct pa_object_id *pa_object_id(const struct pa_object *o)
{
	return &o->id;
}

const struct pa_elf *pa_object_elf(const struct pa_object *o)
{
	return &o->elf;
}

const char *pa_object_build_id(const struct pa_object *o)
{
	return o->build_id;
}

bool pa_object_loaded(struct pa_object *o)
{
	bool loaded;

	pa_lock(&o->lock);
	loaded = o->loaded;
	pa_unlock(&o->lock);
	return loaded;
}

static int load_table(struct pa_object *o, const struct pa_elf_source *src)
{
	struct pa_elf e = o->elf;
	int r;

	e.src = *src;
	r = e.image ? pa_symtab_load_image(&o->symtab, &e) : pa_symtab_load(&o->symtab, &e);
	/* The vDSO has section headers, unless a kernel strips them. */
	if (r == 0 && !e.image && !o->symtab.count && e.src.base && e.load_count) {
		e.image = true;
		e.src = pa_elf_source_memory(e.src.base - e.loads[0].vaddr, UINT64_MAX);
		r = pa_symtab_load_image(&o->symtab, &e);
	}
	return r;
}

int pa_object_load(struct pa_object *o, const struct pa_elf_source *src)
{
	int r;

	pa_lock(&o->lock);
	r = o->failed;
	if (!o->loaded && !r) {
		r = load_table(o, src);
		if (r == -ENOMEM) {
			pa_object_cache_drop(); /* this one is pinned */
			r = load_table(o, src);
		}
		o->loaded = r == 0;
		if (r != -ENOMEM)
			o->failed = r;
		count_bytes(o);
	}
	pa_unlock(&o->lock);
	return r;
}

bool pa_object_lookup(struct pa_object *o, uint64_t vaddr, struct pa_object_hit *ret)
{
	return pa_symtab_find(&o->symtab, vaddr, &ret->first, &ret->count);
}

static uint64_t name_key(const struct pa_object_hit *hit)
{
	return hit->first + hit->count - 1;
}

static const struct pa_object_name *known(struct pa_object *o, const struct pa_object_hit *hit)
{
	uint64_t value;

	return pa_map64_get(&o->names, name_key(hit), &value)
		       ? (const struct pa_object_name *)(uintptr_t)value
		       : NULL;
}

const struct pa_object_name *pa_object_name_known(struct pa_object *o,
						  const struct pa_object_hit *hit)
{
	const struct pa_object_name *n;

	pa_lock(&o->lock);
	n = known(o, hit);
	pa_unlock(&o->lock);
	return n;
}

/* Into the object's arena, fit for a protobuf string. */
static const char *keep(struct pa_object *o, const char *text)
{
	char *copy = pa_arena_strndup(&o->arena, text, strlen(text));

	if (copy)
		pa_utf8_clean(copy);
	return copy;
}

static size_t demangle(struct pa_object_scratch *s, const char *text)
{
	if (!pa_demangle_wanted(text))
		return 0;
	if (!s->demangler)
		s->demangler = pa_demangler_new();
	if (!s->demangler)
		return 0;
	return pa_demangle(s->demangler, text, s->readable, sizeof(s->readable));
}

/* Caller holds o->lock. */
static const struct pa_object_name *make_name(struct pa_object *o, const struct pa_object_hit *hit,
					      const struct pa_elf_source *src,
					      struct pa_object_scratch *s)
{
	const char *text = pa_symtab_choose(&o->symtab, src, hit->first, hit->count, &s->names);
	struct pa_object_name *n;

	if (!text)
		return NULL;
	n = pa_arena_alloc(&o->arena, sizeof(*n));
	if (!n)
		return NULL;
	n->vaddr = o->symtab.base + o->symtab.entries[hit->first].start;
	n->system_name = keep(o, text);
	n->name = demangle(s, text) ? keep(o, s->readable) : n->system_name;
	if (!n->name || !n->system_name || pa_map64_put(&o->names, name_key(hit), (uintptr_t)n) < 0)
		return NULL;
	return n;
}

const struct pa_object_name *pa_object_name(struct pa_object *o, const struct pa_object_hit *hit,
					    const struct pa_elf_source *src,
					    struct pa_object_scratch *scratch)
{
	const struct pa_object_name *n;

	pa_lock(&o->lock);
	n = known(o, hit);
	if (!n) {
		n = make_name(o, hit, src, scratch);
		count_bytes(o);
	}
	pa_unlock(&o->lock);
	return n;
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
