/* SPDX-License-Identifier: Apache-2.0
 * What is remembered of objects that may be unloaded. Copies of one file share their bytes. Lock
 * order: the journal's lock, then this one. */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/lock.h"
#include "agent/base/log.h"
#include "agent/symbols/elf_copy.h"
#include "agent/symbols/fde.h"
#include "agent/symbols/image.h"
#include "agent/symbols/kept.h"
#include "agent/symbols/plt.h"
#include "agent/symbols/symtab.h"

/* What is kept of a file that is still there: enough for plugins, which are replaced more often than
 * large libraries. */
#define COMMON_MAX ((size_t)512 << 10)

#define FDE_BYTES 24 /* what tells the size of a function without symbol */

struct pa_kept {
	/* Under lock. */
	struct pa_kept *next;
	unsigned pins;

	/* Constant. */
	char build_id[PA_BUILD_ID_HEX];
	struct pa_object_id file; /* which was copied; zeros: the image in memory was */
	struct pa_elf elf;        /* its source is the copy */
	struct pa_elf_copy *copy; /* NULL: none */
};

static struct pa_lock lock;
static struct pa_kept *all;
static size_t all_bytes;

size_t pa_kept_max(void)
{
	return pa_mem_limit() / 16;
}

size_t pa_kept_bytes(void)
{
	size_t bytes;

	pa_lock(&lock);
	bytes = all_bytes;
	pa_unlock(&lock);
	return bytes;
}

static size_t bytes_of(const struct pa_kept *k)
{
	return sizeof(*k) + (k->copy ? pa_elf_copy_bytes(k->copy) : 0);
}

struct pa_kept *pa_kept_pin(struct pa_kept *k)
{
	pa_lock(&lock);
	k->pins++;
	pa_unlock(&lock);
	return k;
}

static void kept_free(struct pa_kept *k)
{
	pa_elf_copy_free(k->copy);
	pa_pages_free(k, sizeof(*k));
}

void pa_kept_put(struct pa_kept *k)
{
	struct pa_kept **at = &all;

	if (!k)
		return;
	pa_lock(&lock);
	if (--k->pins) {
		k = NULL;
	} else {
		while (*at && *at != k)
			at = &(*at)->next;
		if (*at) { /* else it was left behind at a fork */
			*at = k->next;
			all_bytes -= bytes_of(k);
		}
	}
	pa_unlock(&lock);
	if (k)
		kept_free(k);
}

const char *pa_kept_build_id(const struct pa_kept *k)
{
	return k->build_id;
}

const struct pa_elf *pa_kept_elf(const struct pa_kept *k)
{
	return k->copy ? &k->elf : NULL;
}

/* Lists k, which has one pin, or takes the one there is of the same file instead. */
static struct pa_kept *enlist(struct pa_kept *k)
{
	struct pa_kept *o;

	pa_lock(&lock);
	for (o = all; o; o = o->next) {
		/* Files of one build id and size are copies of each other. */
		if (k->build_id[0] && !strcmp(o->build_id, k->build_id) &&
		    o->file.size == k->file.size && !o->copy == !k->copy) {
			o->pins++;
			break;
		}
	}
	if (!o) {
		k->next = all;
		all = k;
		all_bytes += bytes_of(k);
	}
	pa_unlock(&lock);
	if (!o)
		return k;
	kept_free(k);
	return o;
}

/* What names can do without is left out where it is large. */
static void add_if_it_fits(struct pa_elf_parts *parts, uint64_t pos, uint64_t len)
{
	if (len <= parts->max && parts->bytes <= parts->max - len)
		pa_elf_parts_add(parts, pos, len);
}

/* Where functions without symbols begin and end. */
static void visit_fdes(struct pa_elf_parts *parts, const struct pa_elf *e)
{
	const uint64_t header = e->image ? e->eh_frame_hdr.memsz : e->eh_frame_hdr.filesz;
	int64_t first = INT64_MAX, end = 0;
	struct pa_fde_table t = {0};

	if (header > parts->max || parts->bytes > parts->max - header || pa_fde_load(&t, e))
		return;
	for (size_t i = 0; i < t.count; i++) {
		first = PA_MIN(first, (int64_t)t.entries[i].value);
		end = PA_MAX(end, (int64_t)t.entries[i].value + FDE_BYTES);
	}
	if (first < end)
		add_if_it_fits(parts, t.pos + (uint64_t)first, (uint64_t)(end - first));
	pa_fde_done(&t);
}

int pa_kept_parts(struct pa_elf_parts *parts, const struct pa_elf *of)
{
	struct pa_elf recorded = *of, *e = &recorded;
	char build_id[PA_BUILD_ID_HEX];
	struct pa_symtab symtab;
	struct pa_plt plt;
	int r;

	e->src = pa_elf_parts_source(parts);
	pa_elf_build_id(e, build_id);
	r = e->image ? pa_symtab_load_image(&symtab, e) : pa_symtab_load(&symtab, e);
	if (r < 0)
		return parts->failed ? parts->failed : r;
	for (size_t i = 0; i < PA_ARRAY_LEN(symtab.strings); i++)
		pa_elf_parts_add(parts, symtab.strings[i].pos, symtab.strings[i].size);
	pa_symtab_done(&symtab);
	pa_plt_load(&plt, e);
	for (size_t i = 0; i < plt.section_count; i++)
		add_if_it_fits(parts, plt.section[i].offset, plt.section[i].size);
	for (size_t i = 0; i < plt.relocation_count; i++)
		add_if_it_fits(parts, plt.relocations[i].offset,
			       plt.relocations[i].count * sizeof(Elf64_Rela));
	visit_fdes(parts, e);
	return parts->failed;
}

/* How much may be copied of one object, and how much there may be of all then. */
struct limits {
	size_t one, all;
};

static int copy_from(struct pa_kept *k, const struct pa_elf *from, const struct pa_elf_source *src,
		     const struct limits *l)
{
	struct pa_elf_parts parts = {.from = src, .max = l->one};
	int r = pa_kept_parts(&parts, from);

	if (r == 0) {
		while (pa_kept_bytes() + parts.bytes > l->all)
			if (!pa_modules_drop_oldest())
				return -ENOMEM;
		r = pa_elf_copy_new(&parts, &k->copy);
	}
	if (r == 0) {
		k->elf = *from;
		k->elf.src = pa_elf_copy_source(k->copy);
	}
	return r;
}

static int copy_file(struct pa_kept *k, const struct pa_image_symbols *s, const struct limits *l)
{
	struct pa_elf_source src;
	struct pa_object_id id;
	int fd = pa_object_open_file(s->path, &id), r = -ESTALE;

	if (fd < 0)
		return fd;
	src = pa_elf_source_file(fd, id.size);
	if (pa_object_id_equal(&id, pa_object_id(s->object)))
		r = copy_from(k, pa_object_elf(s->object), &src, l);
	if (r == 0)
		k->file = id;
	close(fd);
	return r;
}

/* The dynamic symbols, which are all that memory has. */
static int copy_memory(struct pa_kept *k, const struct pa_module *m, const struct limits *l)
{
	struct pa_elf_source src;
	struct pa_elf e;
	int r = m->object.head ? pa_elf_open_image(&e, m->object.head) : -ENOENT;

	if (r < 0)
		return r;
	src = e.src;
	return copy_from(k, &e, &src, l);
}

/* A file that is out of reach by its name already is worth more room than one that may get so. */
static void copy(struct pa_kept *k, const struct pa_module *m, const struct pa_image_symbols *s)
{
	const bool reachable = s->path && !m->deleted;
	const struct limits l = {
		.one = reachable ? PA_MIN(COMMON_MAX, pa_kept_max()) : pa_kept_max(),
		.all = reachable ? pa_kept_max() / 2 : pa_kept_max(),
	};
	int r = s->path ? copy_file(k, s, &l) : -ENOENT;

	if (r < 0)
		r = copy_memory(k, m, &l);
	if (r < 0)
		pa_debug("%s will have no names once it is unloaded and gone: %s", m->path,
			 pa_errno_text(r));
}

static void *keep(const struct pa_module *m)
{
	const struct pa_map map = {
		.start = m->start,
		.end = m->first_end,
		.offset = m->offset,
		.inode = m->object.inode,
		.dev = m->object.dev,
		.exec = true,
		.deleted = m->deleted,
		.path = m->path,
	};
	const struct pa_image image = {
		.shown = {.start = m->start, .limit = m->limit, .file = m->path, .build_id = ""},
		.map = &map,
		.head = m->object.head,
		.has_head = m->object.head != 0,
	};
	struct pa_kept *old = m->kept, *k;
	struct pa_arena arena = {0};
	struct pa_image_symbols s;

	if (old && old->copy)
		return old;
	k = pa_pages_alloc(sizeof(*k));
	if (!k)
		return old;
	k->pins = 1;
	pa_image_open(&s, &image, &arena);
	memcpy(k->build_id, s.build_id, strlen(s.build_id) + 1);
	if (s.object)
		copy(k, m, &s);
	pa_image_close(&s);
	pa_arena_done(&arena);
	pa_kept_put(old);
	return enlist(k);
}

static void drop(void *kept)
{
	pa_kept_put(kept);
}

const struct pa_modules_keeper pa_kept_keeper = {.keep = keep, .drop = drop};

void pa_kept_fork_child(void)
{
	/* What was half changed at the fork is left behind; entries pinned in the parent stay. */
	if (atomic_load_explicit(&lock.state, memory_order_relaxed)) {
		all = NULL;
		all_bytes = 0;
	}
	lock = (struct pa_lock){0};
}
