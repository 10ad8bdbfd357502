/* SPDX-License-Identifier: Apache-2.0
 * The ELF reader, as for a file and as for an image in memory: headers, build id, both ways to a
 * symbol table, names; starts of functions without symbols. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/symbols/elf.h"
#include "agent/symbols/fde.h"
#include "agent/symbols/ifunc.h"
#include "agent/symbols/kept.h"
#include "agent/symbols/plt.h"
#include "agent/symbols/symtab.h"
#include "agent/symbols/symtab_build.h"
#include "agent/symbols/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pa_symtab_names names;

static void check(int good)
{
	if (!good)
		abort();
}

/* What is found contains the address, its aliases stand together, and names are strings. */
static void look_up(const struct pa_symtab *t, const struct pa_elf_source *src, uint64_t addr)
{
	size_t first, count;
	const char *name;

	if (!pa_symtab_find(t, addr, &first, &count))
		return;
	check(count && first + count <= t->count);
	for (size_t i = first; i < first + count; i++) {
		const struct pa_symtab_entry *s = &t->entries[i];

		check(addr - t->base - s->start < s->size);
		check(s->start == t->entries[first].start);
	}
	name = pa_symtab_choose(t, src, first, count, &names);
	if (name) {
		char *copy = strdup(name);

		check(copy && strlen(copy) < PA_SYMTAB_NAME && *copy);
		pa_utf8_clean(copy);
		free(copy);
	}
}

static void use_table(struct pa_symtab *t, const struct pa_elf_source *src)
{
	for (size_t i = 0; i < t->count && i < 200; i++) {
		const struct pa_symtab_entry *s = &t->entries[i];

		check(!i || s[-1].start <= s->start);
		look_up(t, src, t->base + s->start);
		look_up(t, src, t->base + s->start + s->size / 2);
		look_up(t, src, t->base + s->start + s->size);
	}
	look_up(t, src, 0);
	look_up(t, src, UINT64_MAX);
	pa_symtab_done(t);
}

/* Stubs at both ends of each section and some in between. */
static void use_stubs(const struct pa_elf *e, const struct pa_symtab *t)
{
	struct pa_plt p;

	pa_plt_load(&p, e);
	for (size_t i = 0; i < p.section_count; i++) {
		for (uint64_t at = 0; at < p.section[i].size && at < 2048; at += 8) {
			uint64_t addr = p.section[i].start + at;
			uint64_t stub = pa_plt_stub(&p, addr);
			const char *name = stub ? pa_plt_target(&p, e, t, stub, &names) : NULL;

			check(!stub || addr - stub < 32);
			check(!name || strlen(name) < PA_SYMTAB_NAME);
		}
	}
}

/* The input as an object in memory, which refers to itself. */
static void use_ifuncs(const struct pa_elf *e, const struct pa_symtab *t)
{
	const uint64_t head = (uintptr_t)e->src.data;
	const struct pa_ifunc_images images = {.heads = &head, .count = 1};
	struct pa_arena arena = {0};
	struct pa_ifunc *found;
	size_t count, first, n;

	if (pa_ifunc_collect(t, &e->src, head, &images, &arena, &found, &count) == 0) {
		for (size_t i = 0; i < count; i++) {
			check(found[i].name[0] && (!i || found[i - 1].vaddr < found[i].vaddr));
			check(!pa_symtab_find(t, found[i].vaddr, &first, &n));
		}
	}
	pa_arena_done(&arena);
}

/* Around the starts in the search table. The second answer needs no file and is the same. */
static void use_functions(const struct pa_elf *e)
{
	struct pa_fde_table t = {0};

	if (pa_fde_load(&t, e) < 0)
		return;
	check(pa_fde_bytes(&t) <= e->src.size);
	for (size_t i = 0; i < t.count && i < 200; i++) {
		for (int offset = -1; offset < 64; offset += 13) {
			uint64_t vaddr =
				t.base + (uint64_t)(int64_t)t.entries[i].start + (uint64_t)offset;
			uint64_t start = 0, again = 0;
			int r = pa_fde_find(&t, e, &e->src, vaddr, &start);

			check(r == 0 || r == -ENOENT);
			check(r < 0 || (start <= vaddr && vaddr - start < 1 << 30));
			check(pa_fde_find(&t, e, NULL, vaddr, &again) == r && again == start);
		}
	}
	pa_fde_done(&t);
}

/* A copy of what names are made of gives the same names. */
static void use_copy(const struct pa_elf *e)
{
	static struct pa_symtab_names other;
	struct pa_elf_parts parts = {.from = &e->src, .max = 1 << 20};
	struct pa_symtab a, b;
	struct pa_elf_copy *c;
	struct pa_elf copied = *e;
	size_t first, count;

	if (pa_kept_parts(&parts, e))
		return;
	check(pa_elf_copy_new(&parts, &c) == 0);
	copied.src = pa_elf_copy_source(c);
	check((e->image ? pa_symtab_load_image(&a, e) : pa_symtab_load(&a, e)) == 0);
	check((e->image ? pa_symtab_load_image(&b, &copied) : pa_symtab_load(&b, &copied)) == 0);
	check(a.count == b.count && a.base == b.base);
	for (size_t i = 0; i < a.count && i < 50; i++) {
		const char *x, *y;

		check(!memcmp(&a.entries[i], &b.entries[i], sizeof(a.entries[i])));
		if (!pa_symtab_find(&a, a.base + a.entries[i].start, &first, &count))
			continue;
		x = pa_symtab_choose(&a, &e->src, first, count, &names);
		y = pa_symtab_choose(&b, &copied.src, first, count, &other);
		check(!x == !y && (!x || !strcmp(x, y)));
	}
	pa_symtab_done(&a);
	pa_symtab_done(&b);
	pa_elf_copy_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct pa_elf_source src = pa_elf_source_buffer(data, size);
	char id[PA_BUILD_ID_HEX];
	uint64_t bias;
	struct pa_symtab t;
	struct pa_elf e;

	pa_elf_notes_build_id(data, size, id);
	check(strlen(id) < sizeof(id));
	if (pa_elf_open(&e, &src) < 0)
		return 0;
	pa_elf_build_id(&e, id);
	check(strlen(id) < sizeof(id));
	for (uint32_t i = 0; i < e.load_count; i++) {
		if (pa_elf_bias(&e, 0x7f0000000000, e.loads[i].offset, &bias) < 0)
			check(!e.loads[i].filesz);
	}
	use_functions(&e);
	use_copy(&e);
	if (pa_symtab_load(&t, &e) == 0) {
		use_stubs(&e, &t);
		use_ifuncs(&e, &t);
		use_table(&t, &src);
	}
	e.image = true; /* addresses are offsets then */
	pa_elf_build_id(&e, id);
	use_functions(&e);
	use_copy(&e);
	if (pa_symtab_load_image(&t, &e) == 0)
		use_table(&t, &src);
	return 0;
}
