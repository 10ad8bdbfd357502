/* SPDX-License-Identifier: Apache-2.0
 * Symbol tables. */
#include "agent/symbolize/symtab.h"

#include <errno.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SYMBOLS_MAX ((size_t)4 << 20)
#define LOOK_MAX    256 /* symbols that are looked at for one address */

static bool is_function(const GElf_Sym *s)
{
	unsigned type = GELF_ST_TYPE(s->st_info);

	return (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE) && s->st_size &&
	       s->st_shndx != SHN_UNDEF && s->st_shndx != SHN_ABS &&
	       s->st_value + s->st_size > s->st_value;
}

static int append(struct pa_dbg_symtab *t, const GElf_Sym *s, const char *name)
{
	if (t->count == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 1024;
		void *bigger =
			cap <= SYMBOLS_MAX ? realloc(t->symbols, cap * sizeof(*t->symbols)) : NULL;

		if (!bigger)
			return -ENOMEM;
		t->symbols = bigger;
		t->cap = cap;
	}
	t->symbols[t->count++] = (struct pa_dbg_symbol){
		.start = s->st_value,
		.end = s->st_value + s->st_size,
		.name = name,
		.binding = GELF_ST_BIND(s->st_info),
		.type = GELF_ST_TYPE(s->st_info),
	};
	return 0;
}

static int add_section(struct pa_dbg_symtab *t, Elf *elf, Elf_Scn *scn, const GElf_Shdr *shdr)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t count = data && shdr->sh_entsize ? data->d_size / shdr->sh_entsize : 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count && i < SYMBOLS_MAX; i++) {
		GElf_Sym sym;
		const char *name;

		if (!gelf_getsym(data, (int)i, &sym) || !is_function(&sym))
			continue;
		name = elf_strptr(elf, shdr->sh_link, sym.st_name);
		/* ".L1" and "$x" are no functions. */
		if (name && name[0] && name[0] != '.' && name[0] != '$')
			r = append(t, &sym, name);
	}
	return r;
}

int pa_dbg_symtab_add(struct pa_dbg_symtab *t, Elf *elf)
{
	Elf_Scn *scn = NULL;
	int r = 0;

	while (r == 0 && (scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;

		if (gelf_getshdr(scn, &shdr) &&
		    (shdr.sh_type == SHT_SYMTAB || shdr.sh_type == SHT_DYNSYM))
			r = add_section(t, elf, scn, &shdr);
	}
	return r;
}

static int compare_start(const void *a, const void *b)
{
	const struct pa_dbg_symbol *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->end < y->end) - (x->end > y->end);
}

void pa_dbg_symtab_finish(struct pa_dbg_symtab *t)
{
	uint64_t reach = 0;

	if (t->count)
		qsort(t->symbols, t->count, sizeof(*t->symbols), compare_start);
	for (size_t i = 0; i < t->count; i++) {
		reach = PA_MAX(reach, t->symbols[i].end);
		t->symbols[i].reach = reach;
	}
}

void pa_dbg_symtab_free(struct pa_dbg_symtab *t)
{
	free(t->symbols);
	*t = (struct pa_dbg_symtab){0};
}

/* How many symbols start at or below an address. */
static size_t count_below(const struct pa_dbg_symtab *t, uint64_t addr)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->symbols[mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_better(const struct pa_dbg_symbol *a, const struct pa_dbg_symbol *b)
{
	const bool local[] = {a->binding == STB_LOCAL, b->binding == STB_LOCAL};
	const bool label[] = {a->type == STT_NOTYPE, b->type == STT_NOTYPE};
	const size_t under[] = {strspn(a->name, "_"), strspn(b->name, "_")};
	const bool weak[] = {a->binding == STB_WEAK, b->binding == STB_WEAK};
	const size_t len[] = {strcspn(a->name, "@"), strcspn(b->name, "@")};

	if (label[0] != label[1])
		return label[1];
	if (local[0] != local[1])
		return local[1];
	if (under[0] != under[1])
		return under[0] < under[1];
	if (weak[0] != weak[1])
		return weak[1];
	if (len[0] != len[1])
		return len[0] < len[1];
	return strcmp(a->name, b->name) < 0;
}

const struct pa_dbg_symbol *pa_dbg_symtab_find(const struct pa_dbg_symtab *t, uint64_t addr)
{
	const struct pa_dbg_symbol *best = NULL;
	size_t n = count_below(t, addr);

	for (size_t i = n; i-- > 0 && n - i <= LOOK_MAX && t->symbols[i].reach > addr;) {
		const struct pa_dbg_symbol *s = &t->symbols[i];

		if (best && s->start != best->start)
			break;
		if (s->end > addr && (!best || is_better(s, best)))
			best = s;
	}
	return best;
}
