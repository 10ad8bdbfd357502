/* SPDX-License-Identifier: Apache-2.0
 * A stub is "jmp *slot(%rip)", maybe behind endbr64 and a bnd prefix. The slot's relocation names
 * the function (psABI for x86-64, section 5.2). */
#include <elf.h>
#include <string.h>

#include "agent/symbols/plt.h"

#define MIN_STUB     8 /* .plt.got */
#define MAX_STUB     32
#define BLOCK_RELOCS 64
#define MAX_RELOCS   (1u << 22) /* looked through one by one: libLLVM has 700000 relative ones */

static void add_section(struct pa_plt *p, const struct pa_elf *e, const struct pa_elf_section *s)
{
	if (p->section_count == PA_PLT_SECTIONS || s->entsize < MIN_STUB || s->entsize > MAX_STUB ||
	    !pa_elf_section_readable(e, s))
		return;
	p->section[p->section_count].start = s->vaddr;
	p->section[p->section_count].size = s->size;
	p->section[p->section_count].offset = s->offset;
	p->section[p->section_count].entry = s->entsize;
	p->section_count++;
}

static void add_relocations(struct pa_plt *p, const struct pa_elf *e,
			    const struct pa_elf_section *s)
{
	struct pa_elf_section symbols, names;
	size_t i = p->relocation_count;

	if (i == PA_PLT_RELOCATIONS || s->entsize != sizeof(Elf64_Rela) ||
	    !pa_elf_section_readable(e, s) || pa_elf_section(e, s->link, &symbols) < 0 ||
	    symbols.type != SHT_DYNSYM || !pa_elf_section_readable(e, &symbols) ||
	    pa_elf_section(e, symbols.link, &names) < 0 || !pa_elf_section_readable(e, &names))
		return;
	/* Small tables first: .rela.dyn, where few stubs are, can have a million entries. */
	for (; i && p->relocations[i - 1].count > s->size / s->entsize; i--)
		p->relocations[i] = p->relocations[i - 1];
	p->relocations[i].offset = s->offset;
	p->relocations[i].count = PA_MIN(s->size / s->entsize, MAX_RELOCS);
	p->relocations[i].symbols = symbols;
	p->relocations[i].names = names;
	p->relocation_count++;
}

void pa_plt_load(struct pa_plt *p, const struct pa_elf *e)
{
	*p = (struct pa_plt){0};
	if (e->machine != EM_X86_64 || !e->is64 || e->swapped || e->image)
		return;
	for (uint32_t i = 0; i < e->shnum; i++) {
		struct pa_elf_section s;

		if (pa_elf_section(e, i, &s) < 0)
			return;
		/* Only stubs are code in entries of one size. */
		if (s.type == SHT_PROGBITS && s.flags & SHF_EXECINSTR)
			add_section(p, e, &s);
		else if (s.type == SHT_RELA && s.flags & SHF_ALLOC)
			add_relocations(p, e, &s);
	}
}

uint64_t pa_plt_stub(const struct pa_plt *p, uint64_t vaddr)
{
	for (size_t i = 0; i < p->section_count; i++) {
		uint64_t into = vaddr - p->section[i].start;

		if (into < p->section[i].size)
			return vaddr - into % p->section[i].entry;
	}
	return 0;
}

/* The address that a stub jumps through, 0 when it is none that we know. */
static uint64_t slot_of(const struct pa_plt *p, const struct pa_elf *e, uint64_t start)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	uint8_t code[MAX_STUB] = {0};
	size_t at = 0;
	int32_t distance;

	for (size_t i = 0; i < p->section_count; i++) {
		uint64_t into = start - p->section[i].start;

		if (into < p->section[i].size &&
		    pa_elf_read(&e->src, p->section[i].offset + into, code,
				PA_MIN(p->section[i].entry, p->section[i].size - into)) < 0)
			return 0;
	}
	if (!memcmp(code, endbr64, sizeof(endbr64)))
		at += sizeof(endbr64);
	if (code[at] == 0xf2) /* bnd */
		at++;
	if (code[at] != 0xff || code[at + 1] != 0x25)
		return 0;
	memcpy(&distance, code + at + 2, sizeof(distance));
	return start + at + 6 + (uint64_t)(int64_t)distance;
}

/* The relocation of a slot in one table. */
static bool find_relocation(const struct pa_elf *e, uint64_t offset, uint64_t count, uint64_t slot,
			    Elf64_Rela *ret)
{
	Elf64_Rela block[BLOCK_RELOCS];

	for (uint64_t i = 0; i < count;) {
		size_t n = (size_t)PA_MIN(BLOCK_RELOCS, count - i);

		if (pa_elf_read(&e->src, offset + i * sizeof(*block), block, n * sizeof(*block)) <
		    0)
			return false;
		for (size_t k = 0; k < n; k++) {
			if (block[k].r_offset == slot) {
				*ret = block[k];
				return true;
			}
		}
		i += n;
	}
	return false;
}

/* Name of symbol `index` of the table that the relocations refer to. */
static const char *symbol_name(const struct pa_plt *p, size_t table, const struct pa_elf *e,
			       uint64_t index, struct pa_symtab_names *n)
{
	const struct pa_elf_section *symbols = &p->relocations[table].symbols;
	const struct pa_elf_section *names = &p->relocations[table].names;
	char *text = n->text[0];
	struct pa_elf_symbol sym;
	Elf64_Sym entry;
	size_t len;

	if (index >= symbols->size / sizeof(entry) ||
	    pa_elf_read(&e->src, symbols->offset + index * sizeof(entry), &entry, sizeof(entry)) <
		    0)
		return NULL;
	sym = pa_elf_symbol(e, &entry);
	if (!sym.name || sym.name >= names->size)
		return NULL;
	len = (size_t)PA_MIN(names->size - sym.name, PA_SYMTAB_NAME - 1);
	if (pa_elf_read(&e->src, names->offset + sym.name, text, len) < 0)
		return NULL;
	text[len] = '\0';
	return text[0] ? text : NULL;
}

const char *pa_plt_target(const struct pa_plt *p, const struct pa_elf *e, const struct pa_symtab *t,
			  uint64_t start, struct pa_symtab_names *n)
{
	const uint64_t slot = slot_of(p, e, start);
	size_t first, count;

	for (size_t i = 0; slot && i < p->relocation_count; i++) {
		Elf64_Rela r;

		if (!find_relocation(e, p->relocations[i].offset, p->relocations[i].count, slot,
				     &r))
			continue;
		if (ELF64_R_TYPE(r.r_info) != R_X86_64_IRELATIVE)
			return symbol_name(p, i, e, ELF64_R_SYM(r.r_info), n);
		if (!pa_symtab_find(t, (uint64_t)r.r_addend, &first, &count))
			return NULL;
		return pa_symtab_choose(t, &e->src, first, count, n);
	}
	return NULL;
}
