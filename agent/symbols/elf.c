/* SPDX-License-Identifier: Apache-2.0
 * ELF headers: segments, sections, symbol entries. */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/peek.h"
#include "agent/symbols/elf.h"

/* A program header table is read entry by entry, so a hostile count costs time only. */
#define MAX_PHNUM    1024
#define MAX_SHNUM    (1u << 16) /* more only in objects that are not linked */
#define MAX_EHDR     sizeof(Elf64_Ehdr)
#define PAGE_GRANULE 4096ull /* smallest page size; segments are congruent modulo it */

static ssize_t read_file(const struct pa_elf_source *s, uint64_t pos, void *buf, size_t len)
{
	ssize_t n;

	if (pos > INT64_MAX)
		return -EIO;
	do {
		n = pread(s->fd, buf, len, (off_t)pos);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t read_memory(const struct pa_elf_source *s, uint64_t pos, void *buf, size_t len)
{
	return pa_peek((uintptr_t)(s->base + pos), buf, len);
}

static ssize_t read_buffer(const struct pa_elf_source *s, uint64_t pos, void *buf, size_t len)
{
	memcpy(buf, (const char *)s->data + pos, len);
	return (ssize_t)len;
}

struct pa_elf_source pa_elf_source_file(int fd, uint64_t size)
{
	return (struct pa_elf_source){.read = read_file, .fd = fd, .size = size};
}

struct pa_elf_source pa_elf_source_memory(uint64_t addr, uint64_t size)
{
	return (struct pa_elf_source){.read = read_memory, .base = addr, .size = size, .fd = -1};
}

struct pa_elf_source pa_elf_source_buffer(const void *data, size_t size)
{
	return (struct pa_elf_source){.read = read_buffer, .data = data, .size = size, .fd = -1};
}

int pa_elf_read(const struct pa_elf_source *s, uint64_t pos, void *buf, size_t len)
{
	if (pos > s->size || len > s->size - pos)
		return -EIO;
	for (size_t done = 0; done < len;) {
		ssize_t n = s->read(s, pos + done, (char *)buf + done, len - done);

		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		done += (size_t)n;
	}
	return 0;
}

static uint16_t get16(const struct pa_elf *e, const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return e->swapped ? __builtin_bswap16(v) : v;
}

uint32_t pa_elf_u32(const struct pa_elf *e, const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return e->swapped ? __builtin_bswap32(v) : v;
}

uint64_t pa_elf_word(const struct pa_elf *e, const void *p)
{
	uint64_t v;

	if (!e->is64)
		return pa_elf_u32(e, p);
	memcpy(&v, p, sizeof(v));
	return e->swapped ? __builtin_bswap64(v) : v;
}

/* Members by name, whatever the class of the file. */
#define GET16(e, buf, type, member)                                                                \
	get16(e, (buf) + ((e)->is64 ? offsetof(Elf64_##type, member)                               \
				    : offsetof(Elf32_##type, member)))
#define GET32(e, buf, type, member)                                                                \
	pa_elf_u32(e, (buf) + ((e)->is64 ? offsetof(Elf64_##type, member)                          \
					 : offsetof(Elf32_##type, member)))
#define GETW(e, buf, type, member)                                                                 \
	pa_elf_word(e, (buf) + ((e)->is64 ? offsetof(Elf64_##type, member)                         \
					  : offsetof(Elf32_##type, member)))
#define SIZEOF(e, type) ((e)->is64 ? sizeof(Elf64_##type) : sizeof(Elf32_##type))

static struct pa_elf_segment segment_of(const struct pa_elf *e, const char *ph)
{
	return (struct pa_elf_segment){
		.vaddr = GETW(e, ph, Phdr, p_vaddr),
		.offset = GETW(e, ph, Phdr, p_offset),
		.filesz = GETW(e, ph, Phdr, p_filesz),
		.memsz = GETW(e, ph, Phdr, p_memsz),
		.exec = GET32(e, ph, Phdr, p_flags) & PF_X,
	};
}

static int read_phdr(const struct pa_elf *e, uint32_t i, char ph[sizeof(Elf64_Phdr)])
{
	return pa_elf_read(&e->src, e->phoff + i * SIZEOF(e, Phdr), ph, SIZEOF(e, Phdr));
}

int pa_elf_note_segment(const struct pa_elf *e, uint32_t i, struct pa_elf_segment *ret,
			uint64_t *ret_align)
{
	char ph[sizeof(Elf64_Phdr)];
	int r = i < e->phnum ? read_phdr(e, i, ph) : -ENOENT;

	if (r < 0)
		return r;
	if (GET32(e, ph, Phdr, p_type) != PT_NOTE)
		return -ENOENT;
	*ret = segment_of(e, ph);
	*ret_align = GETW(e, ph, Phdr, p_align);
	return 0;
}

static int read_segments(struct pa_elf *e)
{
	char ph[sizeof(Elf64_Phdr)];

	for (uint32_t i = 0; i < e->phnum; i++) {
		uint32_t type;
		int r = read_phdr(e, i, ph);

		if (r < 0)
			return r;
		type = GET32(e, ph, Phdr, p_type);
		if (type == PT_DYNAMIC)
			e->dynamic = segment_of(e, ph);
		else if (type == PT_GNU_EH_FRAME)
			e->eh_frame_hdr = segment_of(e, ph);
		else if (type == PT_LOAD && e->load_count < PA_ELF_LOADS)
			e->loads[e->load_count++] = segment_of(e, ph);
	}
	return 0;
}

/* Section headers are a convenience that many files lack; a broken table is like none. */
static void check_sections(struct pa_elf *e, uint16_t entsize)
{
	struct pa_elf_section first;
	uint64_t room;

	/* They are not part of an image in memory. */
	if (e->image || !e->shoff || e->shoff > e->src.size || entsize != SIZEOF(e, Shdr)) {
		e->shnum = 0;
		return;
	}
	room = (e->src.size - e->shoff) / SIZEOF(e, Shdr);
	if (!e->shnum && room) { /* more than SHN_LORESERVE: the count is in section 0 */
		e->shnum = 1;
		if (pa_elf_section(e, 0, &first) < 0 || first.size > MAX_SHNUM)
			first.size = 0;
		e->shnum = (uint32_t)first.size;
	}
	if (e->shnum > room || e->shnum > MAX_SHNUM)
		e->shnum = 0;
}

static bool check_ident(struct pa_elf *e, const char *eh)
{
	const bool big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

	if (memcmp(eh, ELFMAG, SELFMAG) || eh[EI_VERSION] != EV_CURRENT)
		return false;
	if (eh[EI_CLASS] != ELFCLASS32 && eh[EI_CLASS] != ELFCLASS64)
		return false;
	if (eh[EI_DATA] != ELFDATA2LSB && eh[EI_DATA] != ELFDATA2MSB)
		return false;
	e->is64 = eh[EI_CLASS] == ELFCLASS64;
	e->swapped = (eh[EI_DATA] == ELFDATA2MSB) != big;
	return true;
}

static int read_headers(struct pa_elf *e)
{
	char eh[MAX_EHDR] = {0};
	uint16_t type;
	int r = pa_elf_read(&e->src, 0, eh, sizeof(Elf32_Ehdr));

	if (r < 0)
		return r;
	if (!check_ident(e, eh))
		return -ENOEXEC;
	r = pa_elf_read(&e->src, 0, eh, SIZEOF(e, Ehdr));
	if (r < 0)
		return r;
	type = GET16(e, eh, Ehdr, e_type);
	if (type != ET_EXEC && type != ET_DYN)
		return -ENOEXEC;
	e->machine = GET16(e, eh, Ehdr, e_machine);
	e->phoff = GETW(e, eh, Ehdr, e_phoff);
	e->shoff = GETW(e, eh, Ehdr, e_shoff);
	e->phnum = GET16(e, eh, Ehdr, e_phnum);
	e->shnum = GET16(e, eh, Ehdr, e_shnum);
	if (!e->phoff || e->phnum > MAX_PHNUM)
		e->phnum = 0;
	if (e->phnum && GET16(e, eh, Ehdr, e_phentsize) != SIZEOF(e, Phdr))
		return -ENOEXEC;
	check_sections(e, GET16(e, eh, Ehdr, e_shentsize));
	return read_segments(e);
}

int pa_elf_open(struct pa_elf *ret, const struct pa_elf_source *src)
{
	struct pa_elf e = {.src = *src};
	int r = read_headers(&e);

	if (r == 0)
		*ret = e;
	return r;
}

/* The virtual address of file offset 0. */
static int head_vaddr(const struct pa_elf *e, uint64_t *ret)
{
	for (uint32_t i = 0; i < e->load_count; i++) {
		if (e->loads[i].offset < PAGE_GRANULE) {
			*ret = e->loads[i].vaddr - e->loads[i].offset;
			return 0;
		}
	}
	return -ENOEXEC;
}

int pa_elf_open_image(struct pa_elf *ret, uint64_t head)
{
	struct pa_elf e = {.src = pa_elf_source_memory(head, UINT64_MAX), .image = true};
	uint64_t vaddr = 0;
	int r = read_headers(&e);

	if (r == 0)
		r = head_vaddr(&e, &vaddr);
	if (r < 0)
		return r;
	e.src.base = head - vaddr;
	e.phoff += vaddr;
	*ret = e;
	return 0;
}

static bool holds_offset(const struct pa_elf_segment *s, uint64_t offset)
{
	uint64_t first = s->offset & ~(PAGE_GRANULE - 1); /* whole pages are mapped */

	if (!s->filesz || offset < first)
		return false;
	return offset < s->offset || offset - s->offset < s->filesz;
}

int pa_elf_bias(const struct pa_elf *e, uint64_t addr, uint64_t offset, uint64_t *ret_bias)
{
	const struct pa_elf_segment *found = NULL;

	for (uint32_t i = 0; i < e->load_count; i++) {
		const struct pa_elf_segment *s = &e->loads[i];

		/* A page at a border belongs to two segments. The one that was mapped executable
		 * is meant, unless none is: text made executable by mprotect. */
		if (holds_offset(s, offset) && (!found || (s->exec && !found->exec)))
			found = s;
	}
	if (!found)
		return -ENOENT;
	*ret_bias = addr - (found->vaddr + (offset - found->offset));
	return 0;
}

bool pa_elf_span(const struct pa_elf *e, uint64_t *ret_low, uint64_t *ret_high)
{
	uint64_t low = UINT64_MAX, high = 0;

	for (uint32_t i = 0; i < e->load_count; i++) {
		uint64_t end = e->loads[i].vaddr + e->loads[i].memsz;

		if (end < e->loads[i].vaddr)
			continue;
		low = PA_MIN(low, e->loads[i].vaddr);
		high = PA_MAX(high, end);
	}
	if (low >= high)
		return false;
	*ret_low = low;
	*ret_high = high;
	return true;
}

int pa_elf_section(const struct pa_elf *e, uint32_t i, struct pa_elf_section *ret)
{
	char sh[sizeof(Elf64_Shdr)];
	int r;

	if (i >= e->shnum)
		return -ENOENT;
	r = pa_elf_read(&e->src, e->shoff + i * SIZEOF(e, Shdr), sh, SIZEOF(e, Shdr));
	if (r < 0)
		return r;
	*ret = (struct pa_elf_section){
		.type = GET32(e, sh, Shdr, sh_type),
		.link = GET32(e, sh, Shdr, sh_link),
		.flags = GETW(e, sh, Shdr, sh_flags),
		.vaddr = GETW(e, sh, Shdr, sh_addr),
		.offset = GETW(e, sh, Shdr, sh_offset),
		.size = GETW(e, sh, Shdr, sh_size),
		.align = GETW(e, sh, Shdr, sh_addralign),
		.entsize = GETW(e, sh, Shdr, sh_entsize),
	};
	return 0;
}

bool pa_elf_section_readable(const struct pa_elf *e, const struct pa_elf_section *s)
{
	return s->type != SHT_NOBITS && s->offset <= e->src.size &&
	       s->size <= e->src.size - s->offset;
}

size_t pa_elf_symbol_size(const struct pa_elf *e)
{
	return SIZEOF(e, Sym);
}

struct pa_elf_symbol pa_elf_symbol(const struct pa_elf *e, const void *entry)
{
	const char *sym = entry;
	uint8_t info =
		(uint8_t)sym[e->is64 ? offsetof(Elf64_Sym, st_info) : offsetof(Elf32_Sym, st_info)];

	return (struct pa_elf_symbol){
		.name = GET32(e, sym, Sym, st_name),
		.type = ELF64_ST_TYPE(info), /* the same in both classes */
		.bind = ELF64_ST_BIND(info),
		.shndx = GET16(e, sym, Sym, st_shndx),
		.value = GETW(e, sym, Sym, st_value),
		.size = GETW(e, sym, Sym, st_size),
	};
}

int pa_elf_dyn(const struct pa_elf *e, uint64_t pos, uint64_t *ret_tag, uint64_t *ret_value)
{
	char dyn[sizeof(Elf64_Dyn)];
	int r = pa_elf_read(&e->src, pos, dyn, SIZEOF(e, Dyn));

	if (r < 0)
		return r;
	*ret_tag = GETW(e, dyn, Dyn, d_tag);
	*ret_value = GETW(e, dyn, Dyn, d_un);
	return 0;
}
