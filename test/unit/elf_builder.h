/* SPDX-License-Identifier: Apache-2.0
 * Writes small ELF files into memory for tests: any class and byte order, one executable segment,
 * a build id note, symbols. */
#ifndef PA_TEST_ELF_BUILDER_H
#define PA_TEST_ELF_BUILDER_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct eb_symbol {
	const char *name;
	uint64_t value, size;
	unsigned type, bind, shndx; /* shndx 0: .text */
	bool dynamic;               /* in .dynsym instead of .symtab */
};

struct eb {
	/* What to write. */
	bool is32, big;
	bool no_segments, no_sections, no_note;
	uint64_t vaddr;      /* of file offset 0 */
	uint64_t text;       /* offset of .text, default 0x400 */
	uint64_t text_size;  /* default 0x200 */
	uint64_t note_align; /* default 4 */
	const struct eb_symbol *symbols;
	size_t symbol_count;

	/* What was written. */
	size_t len;
	size_t shoff, phoff, note_off, symtab_off, dynsym_off;
	uint8_t buf[1 << 16];
};

enum { EB_NULL, EB_NOTE, EB_TEXT, EB_SYMTAB, EB_STRTAB, EB_DYNSYM, EB_DYNSTR, EB_SECTIONS };

static void eb_put(struct eb *e, size_t at, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		e->buf[at + i] = (uint8_t)(v >> 8 * (e->big ? bytes - 1 - i : i));
}

/* A field of a structure that has two forms. */
#define EB_SET(e, at, type, member, v)                                                             \
	((e)->is32 ? eb_put(e, (at) + offsetof(Elf32_##type, member), v,                           \
			    sizeof(((Elf32_##type *)0)->member))                                   \
		   : eb_put(e, (at) + offsetof(Elf64_##type, member), v,                           \
			    sizeof(((Elf64_##type *)0)->member)))
#define EB_SIZEOF(e, type) ((e)->is32 ? sizeof(Elf32_##type) : sizeof(Elf64_##type))

static const uint8_t eb_build_id[20] = {0xde, 0xad, 0xbe, 0xef, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05,
					0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0xe0, 0xff};
#define EB_BUILD_ID_HEX "deadbeef000102030405060708090a0b0c0de0ff"

/* Two notes: another one of GNU's, then the build id. */
static size_t eb_notes(struct eb *e, size_t at)
{
	const size_t align = e->note_align ? e->note_align : 4;
	size_t start = at;

	eb_put(e, at, 4, 4);
	eb_put(e, at + 4, 9, 4); /* a length that needs padding */
	eb_put(e, at + 8, NT_GNU_ABI_TAG, 4);
	memcpy(e->buf + at + 12, "GNU", 4);
	at += 16 + ((9 + align - 1) & ~(align - 1));
	eb_put(e, at, 4, 4);
	eb_put(e, at + 4, sizeof(eb_build_id), 4);
	eb_put(e, at + 8, NT_GNU_BUILD_ID, 4);
	memcpy(e->buf + at + 12, "GNU", 4);
	memcpy(e->buf + at + 16, eb_build_id, sizeof(eb_build_id));
	return at + 16 + sizeof(eb_build_id) - start;
}

static void eb_section(struct eb *e, int i, unsigned type, uint64_t flags, uint64_t off,
		       uint64_t size, unsigned link, uint64_t entsize)
{
	size_t at = e->shoff + (size_t)i * EB_SIZEOF(e, Shdr);

	EB_SET(e, at, Shdr, sh_type, type);
	EB_SET(e, at, Shdr, sh_flags, flags);
	EB_SET(e, at, Shdr, sh_addr, flags & SHF_ALLOC ? e->vaddr + off : 0);
	EB_SET(e, at, Shdr, sh_offset, off);
	EB_SET(e, at, Shdr, sh_size, size);
	EB_SET(e, at, Shdr, sh_link, link);
	EB_SET(e, at, Shdr, sh_entsize, entsize);
	EB_SET(e, at, Shdr, sh_addralign, type == SHT_NOTE && e->note_align ? e->note_align : 4);
}

/* A symbol table and its names, one behind the other from `at`; the end. */
static size_t eb_symtab(struct eb *e, size_t at, bool dynamic, int section)
{
	size_t count = 1, names, len = 1;

	for (size_t i = 0; i < e->symbol_count; i++)
		count += e->symbols[i].dynamic == dynamic;
	names = at + count * EB_SIZEOF(e, Sym);
	eb_section(e, section, dynamic ? SHT_DYNSYM : SHT_SYMTAB, dynamic ? SHF_ALLOC : 0, at,
		   names - at, (unsigned)section + 1, EB_SIZEOF(e, Sym));
	for (size_t i = 0; i < e->symbol_count; i++) {
		const struct eb_symbol *s = &e->symbols[i];

		if (s->dynamic != dynamic)
			continue;
		at += EB_SIZEOF(e, Sym);
		EB_SET(e, at, Sym, st_name, len);
		EB_SET(e, at, Sym, st_info, ELF64_ST_INFO(s->bind, s->type));
		EB_SET(e, at, Sym, st_shndx, s->shndx ? s->shndx : EB_TEXT);
		EB_SET(e, at, Sym, st_value, s->value);
		EB_SET(e, at, Sym, st_size, s->size);
		memcpy(e->buf + names + len, s->name, strlen(s->name) + 1);
		len += strlen(s->name) + 1;
	}
	eb_section(e, section + 1, SHT_STRTAB, 0, names, len, 0, 0);
	return (names + len + 7) & ~(size_t)7;
}

static void eb_segment(struct eb *e, int i, unsigned type, unsigned flags, uint64_t off,
		       uint64_t size)
{
	size_t at = e->phoff + (size_t)i * EB_SIZEOF(e, Phdr);

	EB_SET(e, at, Phdr, p_type, type);
	EB_SET(e, at, Phdr, p_flags, flags);
	EB_SET(e, at, Phdr, p_offset, off);
	EB_SET(e, at, Phdr, p_vaddr, e->vaddr + off);
	EB_SET(e, at, Phdr, p_filesz, size);
	EB_SET(e, at, Phdr, p_memsz, size);
	EB_SET(e, at, Phdr, p_align, type == PT_NOTE && e->note_align ? e->note_align : 4);
}

static void eb_header(struct eb *e)
{
	memcpy(e->buf, ELFMAG, SELFMAG);
	e->buf[EI_CLASS] = e->is32 ? ELFCLASS32 : ELFCLASS64;
	e->buf[EI_DATA] = e->big ? ELFDATA2MSB : ELFDATA2LSB;
	e->buf[EI_VERSION] = EV_CURRENT;
	EB_SET(e, 0, Ehdr, e_type, ET_DYN);
	EB_SET(e, 0, Ehdr, e_version, EV_CURRENT);
	if (!e->no_segments) {
		EB_SET(e, 0, Ehdr, e_phoff, e->phoff);
		EB_SET(e, 0, Ehdr, e_phnum, 2);
	}
	EB_SET(e, 0, Ehdr, e_phentsize, EB_SIZEOF(e, Phdr));
	if (!e->no_sections) {
		EB_SET(e, 0, Ehdr, e_shoff, e->shoff);
		EB_SET(e, 0, Ehdr, e_shnum, EB_SECTIONS);
	}
	EB_SET(e, 0, Ehdr, e_shentsize, EB_SIZEOF(e, Shdr));
}

static void eb_write(struct eb *e)
{
	size_t note_size, at;

	memset(e->buf, 0, sizeof(e->buf));
	e->text = e->text ? e->text : 0x400;
	e->text_size = e->text_size ? e->text_size : 0x200;
	e->phoff = EB_SIZEOF(e, Ehdr);
	e->note_off = 0x100;
	note_size = e->no_note ? 0 : eb_notes(e, e->note_off);
	e->shoff = (e->text + e->text_size + 7) & ~(size_t)7;
	e->symtab_off = e->shoff + EB_SECTIONS * EB_SIZEOF(e, Shdr);
	e->dynsym_off = eb_symtab(e, e->symtab_off, false, EB_SYMTAB);
	at = eb_symtab(e, e->dynsym_off, true, EB_DYNSYM);
	eb_section(e, EB_NOTE, SHT_NOTE, SHF_ALLOC, e->note_off, note_size, 0, 0);
	eb_section(e, EB_TEXT, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, e->text, e->text_size, 0,
		   0);
	if (!e->no_segments) {
		eb_segment(e, 0, PT_LOAD, PF_R | PF_X, 0, at);
		eb_segment(e, 1, PT_NOTE, PF_R, e->note_off, note_size);
	}
	eb_header(e);
	e->len = at;
}

#endif
