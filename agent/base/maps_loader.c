/* SPDX-License-Identifier: Apache-2.0
 * What is mapped, according to the dynamic loader: for processes that see no /proc, such as daemons
 * that lock themselves into an empty directory. The loader's list may change under our eyes, and
 * taking its lock is out of the question, so everything is read with care and believed only where an
 * ELF header stands. */
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "agent/base/arena.h"
#include "agent/base/maps.h"
#include "agent/base/peek.h"
#include "agent/base/sort.h"

#define OBJECTS_MAX 4096
#define PHDRS_MAX   64
#define PAGE        4096ull

/* A device number that no file has: which file is mapped is not known, only what its name is. */
#define NO_DEVICE UINT32_MAX

struct list {
	struct pa_arena *a;
	void *maps; /* array of struct pa_map */
	size_t cap, count;
};

static int add_segment(struct list *l, const Elf64_Phdr *p, uint64_t bias,
		       const struct pa_map *object)
{
	const uint64_t start = (bias + p->p_vaddr) & ~(PAGE - 1);
	const uint64_t end = (bias + p->p_vaddr + p->p_memsz + PAGE - 1) & ~(PAGE - 1);
	struct pa_map *m;
	int err;

	if (p->p_type != PT_LOAD || end <= start)
		return 0;
	err = pa_pages_grow(&l->maps, &l->cap, (l->count + 1) * sizeof(*m));
	if (err)
		return err;
	m = (struct pa_map *)l->maps + l->count++;
	*m = *object;
	m->start = start;
	m->end = end;
	m->offset = p->p_offset & ~(PAGE - 1);
	m->read = p->p_flags & PF_R;
	m->write = p->p_flags & PF_W;
	m->exec = p->p_flags & PF_X;
	return 0;
}

/* Adds the object whose ELF header is at `head`, if one is. */
static int add_object(struct list *l, uint64_t head, uint64_t bias, const struct pa_map *object)
{
	Elf64_Phdr phdrs[PHDRS_MAX];
	Elf64_Ehdr e;
	int err = 0;

	if (pa_peek_all(head, &e, sizeof(e)) || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 ||
	    e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_phentsize != sizeof(*phdrs) ||
	    e.e_phnum > PHDRS_MAX ||
	    pa_peek_all(head + e.e_phoff, phdrs, e.e_phnum * sizeof(*phdrs)))
		return 0;
	for (unsigned i = 0; !err && i < e.e_phnum; i++)
		err = add_segment(l, &phdrs[i], bias, object);
	return err;
}

/* A string of the loader's, "" when it cannot be read. */
static int copy_name(struct pa_arena *a, const char *name, const char **ret)
{
	char text[PATH_MAX];
	ssize_t len = name ? pa_peek((uintptr_t)name, text, sizeof(text)) : 0;
	char *copy = pa_arena_strndup(a, text, len > 0 ? strnlen(text, (size_t)len) : 0);

	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

static int add_named(struct list *l, uint64_t head, uint64_t bias, const char *name)
{
	struct pa_map object = {.dev = NO_DEVICE};
	struct stat st;
	int err = copy_name(l->a, name, &object.path);

	if (err)
		return err;
	/* Any number tells it from memory without a file. */
	object.inode = object.path[0] && !stat(object.path, &st) && st.st_ino ? st.st_ino : 1;
	return add_object(l, head, bias, &object);
}

/* The program itself: the kernel tells where its program headers are, and the loader how far it was
 * moved. */
static int add_program(struct list *l, uint64_t bias)
{
	const uint64_t phdrs = getauxval(AT_PHDR);
	const char *name = (const char *)(uintptr_t)getauxval(AT_EXECFN);

	return add_named(l, phdrs - sizeof(Elf64_Ehdr), bias, name);
}

static int compare(const void *a, const void *b, void *arg PA_UNUSED)
{
	const struct pa_map *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int add_all(struct list *l)
{
	const uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
	const struct pa_map vdso_map = {.path = "[vdso]"};
	const struct link_map *at = _r_debug.r_map;
	struct link_map m;
	int err = vdso ? add_object(l, vdso, vdso, &vdso_map) : 0;

	for (int i = 0; !err && at && i < OBJECTS_MAX; i++, at = m.l_next) {
		if (pa_peek_all((uintptr_t)at, &m, sizeof(m)))
			break;
		if (!i)
			err = add_program(l, m.l_addr);
		else if (m.l_addr != vdso)
			err = add_named(l, m.l_addr, m.l_addr, m.l_name);
	}
	return err;
}

/* Segments that overlap are of objects that came and went meanwhile. */
static size_t without_overlaps(struct pa_map *maps, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (!n || maps[i].start >= maps[n - 1].end)
			maps[n++] = maps[i];
	return n;
}

int pa_maps_of_loader(struct pa_arena *a, struct pa_map **ret_maps, size_t *ret_count)
{
	struct list l = {.a = a};
	struct pa_map *maps = NULL;
	int err = add_all(&l);

	if (!err) {
		pa_sort(l.maps, l.count, sizeof(*maps), compare, NULL);
		maps = pa_arena_alloc(a, (l.count + 1) * sizeof(*maps));
		err = maps ? 0 : -ENOMEM;
	}
	if (!err) {
		if (l.count)
			memcpy(maps, l.maps, l.count * sizeof(*maps));
		*ret_count = without_overlaps(maps, l.count);
		*ret_maps = maps;
	}
	pa_pages_free(l.maps, l.cap);
	return err;
}
