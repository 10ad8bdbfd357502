/* SPDX-License-Identifier: Apache-2.0
 * One object: its file, its symbol table, its names. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "agent/symbols/name.h"
#include "agent/symbols/object_private.h"
#include "agent/symbols/utf8.h"

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

void pa_object_count_bytes(struct pa_object *o)
{
	size_t bytes = sizeof(*o) + pa_symtab_bytes(&o->symtab) + pa_fde_bytes(&o->fdes) +
		       o->names.bytes + pa_arena_size(&o->arena);

	/* Relaxed: a sum of these decides about eviction only. */
	atomic_store_explicit(&o->bytes, bytes, memory_order_relaxed);
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

static void load_stubs(struct pa_object *o, const struct pa_elf_source *src)
{
	struct pa_elf e = o->elf;

	e.src = *src;
	pa_plt_load(&o->plt, &e);
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
		if (r == 0)
			load_stubs(o, src);
		o->loaded = r == 0;
		if (r != -ENOMEM)
			o->failed = r;
		pa_object_count_bytes(o);
	}
	pa_unlock(&o->lock);
	return r;
}

bool pa_object_lookup(struct pa_object *o, uint64_t vaddr, struct pa_object_hit *ret)
{
	struct pa_object_hit hit = {0};

	if (!pa_symtab_find(&o->symtab, vaddr, &hit.first, &hit.count))
		hit.stub = pa_plt_stub(&o->plt, vaddr);
	*ret = hit;
	return hit.count || hit.stub;
}

/* The last alias of a function, or a stub. */
static uint64_t name_key(const struct pa_object_hit *hit)
{
	return hit->count ? hit->first + hit->count - 1 : hit->stub | PA_OBJECT_KEY_STUB;
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
static const char *keep(struct pa_object *o, const char *text, const char *suffix)
{
	const size_t len = strlen(text), suffix_len = strlen(suffix);
	char *copy = pa_arena_alloc(&o->arena, len + suffix_len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	memcpy(copy + len, suffix, suffix_len + 1);
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

/* The name of the function that a clone was made of, in a half of *n where text is not. */
static const char *without_clone(const char *text, struct pa_symtab_names *n)
{
	const size_t len = pa_name_base(text);
	char *copy = n->text[text == n->text[0]];

	if (!text[len] || len >= sizeof(n->text[0]))
		return text;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

/* Caller holds o->lock. The linkage name, one half of *n. */
static const char *read_name(struct pa_object *o, const struct pa_object_hit *hit,
			     const struct pa_elf_source *src, struct pa_symtab_names *n)
{
	struct pa_elf e = o->elf;

	if (hit->count)
		return pa_symtab_choose(&o->symtab, src, hit->first, hit->count, n);
	e.src = *src;
	return pa_plt_target(&o->plt, &e, &o->symtab, hit->stub, n);
}

const struct pa_object_name *pa_object_add_name(struct pa_object *o, uint64_t key, uint64_t vaddr,
						const char *text, const char *suffix,
						struct pa_object_scratch *s)
{
	struct pa_object_name *n = pa_arena_alloc(&o->arena, sizeof(*n));
	const char *plain;

	if (!n)
		return NULL;
	n->vaddr = vaddr;
	n->system_name = keep(o, text, suffix);
	plain = without_clone(text, &s->names);
	if (demangle(s, plain))
		n->name = keep(o, s->readable, suffix);
	else
		n->name = plain == text ? n->system_name : keep(o, plain, suffix);
	if (!n->name || !n->system_name || pa_map64_put(&o->names, key, (uintptr_t)n) < 0)
		return NULL;
	return n;
}

/* Caller holds o->lock. */
static const struct pa_object_name *make_name(struct pa_object *o, const struct pa_object_hit *hit,
					      const struct pa_elf_source *src,
					      struct pa_object_scratch *s)
{
	const char *text = read_name(o, hit, src, &s->names);

	if (!text)
		return NULL;
	if (hit->stub)
		return pa_object_add_name(o, name_key(hit), hit->stub, text, "@plt", s);
	return pa_object_add_name(o, name_key(hit),
				  o->symtab.base + o->symtab.entries[hit->first].start, text, "",
				  s);
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
		pa_object_count_bytes(o);
	}
	pa_unlock(&o->lock);
	return n;
}

/* Caller holds o->lock. */
static int load_fdes(struct pa_object *o, const struct pa_elf_source *src)
{
	struct pa_elf e = o->elf;
	int r;

	e.src = *src;
	r = pa_fde_load(&o->fdes, &e);
	if (r == -ENOMEM) {
		pa_object_cache_drop(); /* this one is pinned */
		r = pa_fde_load(&o->fdes, &e);
	}
	pa_object_count_bytes(o);
	return r;
}

int pa_object_function(struct pa_object *o, uint64_t vaddr, const struct pa_elf_source *src,
		       uint64_t *ret_start)
{
	int r = 0;

	pa_lock(&o->lock);
	if (!o->fdes.loaded)
		r = src ? load_fdes(o, src) : -EAGAIN;
	if (r == 0)
		r = pa_fde_find(&o->fdes, &o->elf, src, vaddr, ret_start);
	pa_unlock(&o->lock);
	return r;
}
