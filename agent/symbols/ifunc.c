/* SPDX-License-Identifier: Apache-2.0
 * From relocations and the slots that they have filled to implementations and names. */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "agent/base/sort.h"
#include "agent/symbols/ifunc.h"
#include "agent/symbols/name.h"

#define MAX_IFUNCS   2048 /* symbols of one object; libm has 85, libc 58 */
#define MAX_FOUND    4096
#define MAX_DYNAMIC  1024       /* as in symtab_load.c */
#define MAX_RELOCS   (1u << 20) /* of one table, beside relative ones; libLLVM has 60000 */
#define BLOCK_RELOCS 64
#define NAME_BYTES   256 /* no indirect function has a longer name */

/* A symbol that stands for whatever its resolver returns. */
struct symbol {
	uint64_t resolver;
	const char *name;
	bool weak;
};

struct collector {
	const struct pa_symtab *t;
	struct pa_elf self; /* in memory */
	struct symbol *symbols;
	size_t symbol_count;
	struct pa_ifunc *found;
	size_t found_count;
};

/* What was read last of one object: slots lie side by side mostly. */
struct window {
	uint64_t pos;
	size_t len;
	char bytes[1024];
};

/* An object's relocations, as virtual addresses. */
struct relocations {
	uint64_t rela, rela_size, relative_count, jmprel, jmprel_size, symtab, strtab, strsz;
};

static int read_symbols(struct collector *c, const struct pa_elf_source *src, struct pa_arena *a)
{
	struct pa_symtab_names *names = pa_arena_alloc(a, sizeof(*names));
	size_t count = 0;

	for (size_t i = 0; i < c->t->count; i++)
		count += c->t->entries[i].ifunc;
	count = PA_MIN(count, MAX_IFUNCS);
	c->symbols = pa_arena_alloc(a, (count + 1) * sizeof(*c->symbols));
	if (!names || !c->symbols)
		return -ENOMEM;
	for (size_t i = 0; i < c->t->count && c->symbol_count < count; i++) {
		struct symbol *s = &c->symbols[c->symbol_count];
		const char *name;

		if (!c->t->entries[i].ifunc)
			continue;
		name = pa_symtab_choose(c->t, src, i, 1, names);
		if (!name)
			continue;
		s->resolver = c->t->base + c->t->entries[i].start;
		s->name = pa_arena_strndup(a, name, strlen(name));
		if (!s->name)
			return -ENOMEM;
		s->weak = c->t->entries[i].weak;
		c->symbol_count++;
	}
	return 0;
}

/* glibc has added the load bias to the pointers, other loaders have not (see symtab_load.c). */
static uint64_t unrelocate(const struct pa_elf *e, uint64_t value)
{
	uint64_t low, high;

	if (!pa_elf_span(e, &low, &high) || (value >= low && value < high))
		return value;
	return value - e->src.base;
}

static bool read_dynamic(const struct pa_elf *e, struct relocations *ret)
{
	struct relocations r = {0};
	uint64_t tag, value;

	for (uint64_t at = 0;
	     at / sizeof(Elf64_Dyn) < MAX_DYNAMIC && at + sizeof(Elf64_Dyn) <= e->dynamic.memsz;
	     at += sizeof(Elf64_Dyn)) {
		if (pa_elf_dyn(e, e->dynamic.vaddr + at, &tag, &value) < 0)
			return false;
		if (tag == DT_NULL)
			break;
		if (tag == DT_SYMTAB)
			r.symtab = unrelocate(e, value);
		else if (tag == DT_STRTAB)
			r.strtab = unrelocate(e, value);
		else if (tag == DT_STRSZ)
			r.strsz = value;
		else if (tag == DT_RELA)
			r.rela = unrelocate(e, value);
		else if (tag == DT_RELASZ)
			r.rela_size = value;
		else if (tag == DT_RELACOUNT)
			r.relative_count = value;
		else if (tag == DT_JMPREL)
			r.jmprel = unrelocate(e, value);
		else if (tag == DT_PLTRELSZ)
			r.jmprel_size = value;
		else if (tag == DT_PLTREL && value != DT_RELA)
			return false;
	}
	*ret = r;
	return true;
}

static bool read_slot(const struct pa_elf *e, struct window *w, uint64_t slot, uint64_t *ret)
{
	ssize_t n;

	if (slot < w->pos || slot - w->pos > w->len || w->len - (slot - w->pos) < sizeof(*ret)) {
		n = e->src.read(&e->src, slot, w->bytes, sizeof(w->bytes));
		w->pos = slot;
		w->len = n > 0 ? (size_t)n : 0;
		if (w->len < sizeof(*ret))
			return false;
	}
	memcpy(ret, w->bytes + (slot - w->pos), sizeof(*ret));
	return true;
}

static bool is_code(const struct pa_elf *e, uint64_t vaddr)
{
	for (uint32_t i = 0; i < e->load_count; i++) {
		if (e->loads[i].exec && vaddr - e->loads[i].vaddr < e->loads[i].memsz)
			return true;
	}
	return false;
}

/* Name of the symbol that a relocation refers to. */
static bool read_name(const struct pa_elf *e, const struct relocations *r, uint64_t index,
		      char name[NAME_BYTES])
{
	const uint64_t at = r->symtab + index * sizeof(Elf64_Sym);
	Elf64_Sym sym;
	ssize_t n;

	if (!r->symtab || !r->strtab || pa_elf_read(&e->src, at, &sym, sizeof(sym)) < 0 ||
	    !sym.st_name || sym.st_name >= r->strsz)
		return false;
	n = e->src.read(&e->src, r->strtab + sym.st_name, name,
			(size_t)PA_MIN(NAME_BYTES, r->strsz - sym.st_name));
	return n > 0 && memchr(name, '\0', (size_t)n);
}

static void add_found(struct collector *c, uint64_t vaddr, const struct symbol *s)
{
	if (c->found_count < MAX_FOUND)
		c->found[c->found_count++] =
			(struct pa_ifunc){.vaddr = vaddr, .name = s->name, .weak = s->weak};
}

/* One relocation of any object, whose slot holds `value`. */
static void take(struct collector *c, const struct pa_elf *e, const struct relocations *r,
		 const Elf64_Rela *rela, uint64_t value)
{
	const uint64_t vaddr = value - c->self.src.base;
	const bool own = ELF64_R_TYPE(rela->r_info) == R_X86_64_IRELATIVE;
	char name[NAME_BYTES];
	size_t first, count;

	if (!is_code(&c->self, vaddr) || pa_symtab_find(c->t, vaddr, &first, &count) ||
	    (own ? e != &c->self : !read_name(e, r, ELF64_R_SYM(rela->r_info), name)))
		return;
	for (size_t i = 0; i < c->symbol_count; i++) {
		const struct symbol *s = &c->symbols[i];

		if (own ? s->resolver == (uint64_t)rela->r_addend : !strcmp(s->name, name))
			add_found(c, vaddr, s);
	}
}

static bool is_wanted(const Elf64_Rela *rela)
{
	const uint64_t type = ELF64_R_TYPE(rela->r_info);

	return type == R_X86_64_IRELATIVE || type == R_X86_64_JUMP_SLOT ||
	       type == R_X86_64_GLOB_DAT;
}

static void scan_table(struct collector *c, const struct pa_elf *e, const struct relocations *r,
		       uint64_t pos, uint64_t size)
{
	const uint64_t count = PA_MIN(size / sizeof(Elf64_Rela), MAX_RELOCS);
	struct window w = {0};

	for (uint64_t i = 0; i < count;) {
		Elf64_Rela block[BLOCK_RELOCS];
		const size_t n = (size_t)PA_MIN(BLOCK_RELOCS, count - i);

		if (pa_elf_read(&e->src, pos + i * sizeof(*block), block, n * sizeof(*block)) < 0)
			return;
		for (size_t k = 0; k < n; k++) {
			uint64_t value;

			if (is_wanted(&block[k]) && read_slot(e, &w, block[k].r_offset, &value))
				take(c, e, r, &block[k], value);
		}
		i += n;
	}
}

static void scan_object(struct collector *c, const struct pa_elf *e)
{
	struct relocations r;
	uint64_t relative;

	if (e->machine != EM_X86_64 || !e->is64 || e->swapped || !read_dynamic(e, &r))
		return;
	/* Linkers put the relative ones first and count them: most of the table, often. */
	relative = r.relative_count < r.rela_size / sizeof(Elf64_Rela)
			   ? r.relative_count * sizeof(Elf64_Rela)
			   : r.rela_size;
	scan_table(c, e, &r, r.rela + relative, r.rela_size - relative);
	scan_table(c, e, &r, r.jmprel, r.jmprel_size);
}

static int compare(const void *a, const void *b, void *arg PA_UNUSED)
{
	const struct pa_ifunc *x = a, *y = b;
	size_t x_under, y_under;

	if (x->vaddr != y->vaddr)
		return x->vaddr < y->vaddr ? -1 : 1;
	x_under = strspn(x->name, "_");
	y_under = strspn(y->name, "_");
	if (x_under == y_under && x->weak != y->weak)
		return x->weak ? 1 : -1;
	return pa_name_better(x->name, y->name) ? -1 : pa_name_better(y->name, x->name);
}

/* memcpy and memmove have one implementation, for example. The order is that of aliases
 * (pa_symtab_choose): strchr before index, which is weak. */
static size_t keep_best(struct pa_ifunc *found, size_t count)
{
	size_t kept = 0;

	pa_sort(found, count, sizeof(*found), compare, NULL);
	for (size_t i = 0; i < count; i++) {
		if (!kept || found[kept - 1].vaddr != found[i].vaddr)
			found[kept++] = found[i];
	}
	return kept;
}

int pa_ifunc_collect(const struct pa_symtab *t, const struct pa_elf_source *src, uint64_t head,
		     const struct pa_ifunc_images *images, struct pa_arena *a,
		     struct pa_ifunc **ret, size_t *ret_count)
{
	struct collector c = {.t = t};
	struct pa_elf other;
	int r = pa_elf_open_image(&c.self, head);

	if (r == 0)
		r = read_symbols(&c, src, a);
	if (r < 0)
		return r;
	c.found = pa_arena_alloc(a, MAX_FOUND * sizeof(*c.found));
	if (!c.found)
		return -ENOMEM;
	if (c.symbol_count)
		scan_object(&c, &c.self);
	for (size_t i = 0; c.symbol_count && i < images->count; i++) {
		if (images->heads[i] != head && pa_elf_open_image(&other, images->heads[i]) == 0)
			scan_object(&c, &other);
	}
	*ret = c.found;
	*ret_count = keep_best(c.found, c.found_count);
	return 0;
}
