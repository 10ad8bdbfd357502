/* SPDX-License-Identifier: Apache-2.0
 * A copy of an ELF file without compression. libelf would do it too, but cannot read zstd before
 * 0.189, keeps everything twice for a moment, and takes three times as long. The copy has the
 * section headers of the original; contents that are of no use here are left out (SHT_NOBITS). */
#include <elf.h>
#include <errno.h>
#include <libdeflate.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zstd.h>

#include "agent/symbolize/elf_file.h"
#include "agent/symbolize/guard.h"

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2 /* glibc 2.37 */
#endif

#define IMAGE_MAX    ((uint64_t)400 << 20)
#define SECTIONS_MAX 65280 /* SHN_LORESERVE: more are numbered in another way */

struct part {
	const uint8_t *from;
	uint64_t from_size;
	Elf64_Word compression; /* 0: none */
};

struct copy {
	Elf64_Shdr *shdrs;
	struct part *parts;
	size_t count;
	const char *names;
	size_t names_size;
	uint64_t size; /* of the image */
};

/* Values of variables, macros and indexes by name, which are not looked at: up to half of a file. */
static bool is_useless(const char *name)
{
	static const char *const names[] = {
		".debug_loc",      ".debug_loclists", ".debug_aranges",    ".debug_macro",
		".debug_macinfo",  ".debug_pubnames", ".debug_pubtypes",   ".debug_names",
		".debug_gnu_pubn", ".debug_gnu_pubt", ".debug_gdb_script", ".debug_frame",
	};

	for (size_t i = 0; i < PA_ARRAY_LEN(names); i++) {
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	}
	return false;
}

static bool is_wanted(const struct copy *c, const Elf64_Shdr *s)
{
	if (s->sh_flags & SHF_ALLOC)
		return s->sh_type == SHT_NOTE || s->sh_type == SHT_DYNSYM ||
		       s->sh_type == SHT_STRTAB;
	/* The table of names ends with NUL, so that each name in it does. */
	return s->sh_name >= c->names_size || !is_useless(c->names + s->sh_name);
}

/* Where the bytes of a section are in the file. *ret is set if there are some that can be read. */
static bool find_part(const char *file, size_t file_size, const struct copy *c, Elf64_Shdr *s,
		      struct part *ret)
{
	struct part p = {.from_size = s->sh_size};
	Elf64_Chdr chdr;

	if (s->sh_type == SHT_NOBITS || !is_wanted(c, s) || s->sh_offset > file_size ||
	    s->sh_size > file_size - s->sh_offset)
		return false;
	p.from = (const uint8_t *)file + s->sh_offset;
	if ((s->sh_flags & SHF_COMPRESSED) && s->sh_size >= sizeof(chdr)) {
		memcpy(&chdr, p.from, sizeof(chdr));
		if (chdr.ch_type != ELFCOMPRESS_ZLIB && chdr.ch_type != ELFCOMPRESS_ZSTD)
			return false;
		p.compression = chdr.ch_type;
		p.from += sizeof(chdr);
		p.from_size -= sizeof(chdr);
		s->sh_flags &= ~(Elf64_Xword)SHF_COMPRESSED;
		s->sh_size = chdr.ch_size;
		s->sh_addralign = chdr.ch_addralign;
	}
	*ret = p;
	return true;
}

static void find_names(const char *file, size_t file_size, const Elf64_Ehdr *ehdr, struct copy *c)
{
	const Elf64_Shdr *s = ehdr->e_shstrndx < c->count ? &c->shdrs[ehdr->e_shstrndx] : NULL;

	if (!s || s->sh_type != SHT_STRTAB || (s->sh_flags & SHF_COMPRESSED) || !s->sh_size ||
	    s->sh_offset > file_size || s->sh_size > file_size - s->sh_offset ||
	    file[s->sh_offset + s->sh_size - 1])
		return;
	c->names = file + s->sh_offset;
	c->names_size = s->sh_size;
}

/* Gives each section its place in the image. False when there is too much, or nothing is compressed. */
static bool plan(const char *file, size_t file_size, struct copy *c)
{
	bool any = false;

	c->size = sizeof(Elf64_Ehdr);
	for (size_t i = 0; i < c->count; i++) {
		Elf64_Shdr *s = &c->shdrs[i];

		if (!find_part(file, file_size, c, s, &c->parts[i])) {
			s->sh_type = i ? SHT_NOBITS : SHT_NULL;
			continue;
		}
		if (s->sh_size > IMAGE_MAX || c->size > IMAGE_MAX - s->sh_size)
			return false;
		any |= c->parts[i].compression != 0;
		s->sh_offset = (c->size + 15) & ~(uint64_t)15;
		c->size = s->sh_offset + s->sh_size;
	}
	c->size = (c->size + 15) & ~(uint64_t)15;
	return any;
}

static bool unpack(const struct part *p, void *to, size_t size)
{
	struct libdeflate_decompressor *d;
	enum libdeflate_result result;

	if (p->compression == ELFCOMPRESS_ZSTD)
		return ZSTD_decompress(to, size, p->from, p->from_size) == size;
	d = libdeflate_alloc_decompressor();
	if (!d)
		return false;
	result = libdeflate_zlib_decompress(d, p->from, p->from_size, to, size, NULL);
	libdeflate_free_decompressor(d);
	return result == LIBDEFLATE_SUCCESS;
}

/* A section that cannot be unpacked is empty. */
static void fill(char *image, const Elf64_Ehdr *from, const struct copy *c)
{
	Elf64_Ehdr ehdr = *from;

	ehdr.e_phoff = ehdr.e_phnum = 0;
	ehdr.e_shoff = c->size;
	memcpy(image, &ehdr, sizeof(ehdr));
	for (size_t i = 0; i < c->count; i++) {
		const struct part *p = &c->parts[i];
		Elf64_Shdr *s = &c->shdrs[i];

		if (!p->from)
			continue;
		if (!p->compression)
			memcpy(image + s->sh_offset, p->from, p->from_size);
		else if (!unpack(p, image + s->sh_offset, s->sh_size))
			s->sh_type = SHT_NOBITS;
	}
	memcpy(image + c->size, c->shdrs, c->count * sizeof(*c->shdrs));
}

static int make_image(const char *file, size_t file_size, struct copy *c, void **ret_image,
		      size_t *ret_size)
{
	Elf64_Ehdr ehdr;
	size_t bytes;
	char *image;

	memcpy(&ehdr, file, sizeof(ehdr));
	find_names(file, file_size, &ehdr, c);
	if (!plan(file, file_size, c))
		return 0;
	bytes = c->size + c->count * sizeof(*c->shdrs);
	image = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (image == MAP_FAILED) {
		pa_dbg_guard_lacked_memory();
		return -ENOMEM;
	}
	fill(image, &ehdr, c);
	*ret_image = image;
	*ret_size = bytes;
	return 0;
}

int pa_dbg_file_unpack(Elf *elf, void **ret_image, size_t *ret_size)
{
	struct copy c = {0};
	Elf64_Ehdr ehdr;
	size_t size;
	const char *file = elf_rawfile(elf, &size);
	int r = 0;

	if (!file || size < sizeof(ehdr))
		return -ENOEXEC;
	memcpy(&ehdr, file, sizeof(ehdr));
	if (ehdr.e_ident[EI_CLASS] != ELFCLASS64 || !ehdr.e_shnum || ehdr.e_shnum > SECTIONS_MAX ||
	    ehdr.e_shentsize != sizeof(*c.shdrs) || ehdr.e_shoff > size ||
	    ehdr.e_shnum > (size - ehdr.e_shoff) / sizeof(*c.shdrs))
		return 0;
	c.count = ehdr.e_shnum;
	c.shdrs = malloc(c.count * sizeof(*c.shdrs));
	c.parts = calloc(c.count, sizeof(*c.parts));
	if (c.shdrs && c.parts) {
		memcpy(c.shdrs, file + ehdr.e_shoff, c.count * sizeof(*c.shdrs));
		r = make_image(file, size, &c, ret_image, ret_size);
	} else {
		r = -ENOMEM;
	}
	free(c.shdrs);
	free(c.parts);
	return r;
}
