/* SPDX-License-Identifier: Apache-2.0
 * A reader of ELF files and of ELF images in memory that believes nothing: every count and offset
 * is checked against what can really be read. 32 and 64 bits, both byte orders. Nothing is
 * mapped: a file that shrinks while it is mapped raises SIGBUS. Agent thread only. */
#ifndef PA_SYMBOLS_ELF_H
#define PA_SYMBOLS_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/compiler.h"

/* Where the bytes come from. */
struct pa_elf_source {
	/* Copies up to len bytes from position pos; the bytes copied or -errno. */
	ssize_t (*read)(const struct pa_elf_source *s, uint64_t pos, void *buf, size_t len);
	uint64_t base; /* memory: address of position 0 */
	uint64_t size; /* positions end here */
	const void *data;
	int fd;
};

/* A regular file of `size` bytes. The descriptor stays the caller's. */
struct pa_elf_source pa_elf_source_file(int fd, uint64_t size);

/* Memory of this process, read with pa_peek: it may vanish at any time. */
struct pa_elf_source pa_elf_source_memory(uint64_t addr, uint64_t size);

/* Bytes in a buffer of the caller's. */
struct pa_elf_source pa_elf_source_buffer(const void *data, size_t size);

/* Exactly len bytes, or -EIO, -EFAULT and the like. */
int pa_elf_read(const struct pa_elf_source *s, uint64_t pos, void *buf, size_t len) PA_CHECKED;

/* Linkers write two to five loadable segments; hugepage and hardening tools a few more. */
#define PA_ELF_LOADS 32

struct pa_elf_segment {
	uint64_t vaddr, offset, filesz, memsz;
	bool exec;
};

struct pa_elf {
	struct pa_elf_source src;
	bool is64, swapped; /* swapped: the other byte order than ours */
	bool image;         /* positions are virtual addresses instead of file offsets */
	uint16_t machine;
	uint64_t phoff, shoff;
	uint32_t phnum, shnum;
	struct pa_elf_segment loads[PA_ELF_LOADS]; /* in file order; more are left out */
	uint32_t load_count;
	/* PT_DYNAMIC, PT_GNU_EH_FRAME; memsz 0 when there is none. */
	struct pa_elf_segment dynamic, eh_frame_hdr;
};

/* Reads the headers of a file. 0, -ENOEXEC (no usable ELF file) or an error of the source. */
int pa_elf_open(struct pa_elf *ret, const struct pa_elf_source *src) PA_CHECKED;

/* The same for the image whose file offset 0 is mapped at address `head`: src becomes one whose
 * positions are virtual addresses and whose base is the load bias. */
int pa_elf_open_image(struct pa_elf *ret, uint64_t head) PA_CHECKED;

/* Difference between the addresses of this process and those in the file, from the address at
 * which the bytes at file offset `offset` were found mapped executable. -ENOENT when no segment
 * has that offset. */
int pa_elf_bias(const struct pa_elf *e, uint64_t addr, uint64_t offset,
		uint64_t *ret_bias) PA_CHECKED;

/* Lowest and highest virtual address of the loadable segments; false when there are none. */
bool pa_elf_span(const struct pa_elf *e, uint64_t *ret_low, uint64_t *ret_high);

/* Program header i < phnum if it is a PT_NOTE, else -ENOENT. */
int pa_elf_note_segment(const struct pa_elf *e, uint32_t i, struct pa_elf_segment *ret,
			uint64_t *ret_align) PA_CHECKED;

struct pa_elf_section {
	uint32_t type, link;
	uint64_t flags, vaddr, offset, size, align, entsize;
};

/* Section header i < shnum. */
int pa_elf_section(const struct pa_elf *e, uint32_t i, struct pa_elf_section *ret) PA_CHECKED;

/* Whether the section's bytes lie inside the source. */
bool pa_elf_section_readable(const struct pa_elf *e, const struct pa_elf_section *s);

struct pa_elf_symbol {
	uint32_t name; /* offset in the string table */
	uint8_t type, bind;
	uint16_t shndx;
	uint64_t value, size;
};

/* Bytes of one symbol table entry, and what such an entry says. */
size_t pa_elf_symbol_size(const struct pa_elf *e);
struct pa_elf_symbol pa_elf_symbol(const struct pa_elf *e, const void *entry);

/* One Elf_Dyn at position pos. */
int pa_elf_dyn(const struct pa_elf *e, uint64_t pos, uint64_t *ret_tag,
	       uint64_t *ret_value) PA_CHECKED;

/* An integer of the file's byte order, read from a buffer. */
uint32_t pa_elf_u32(const struct pa_elf *e, const void *p);
uint64_t pa_elf_word(const struct pa_elf *e, const void *p); /* 4 or 8 bytes, by class */

#define PA_BUILD_ID_HEX 129 /* room for 64 bytes; linkers write 8, 16 or 20 */

/* NT_GNU_BUILD_ID in lower-case hex; "" when there is none. */
void pa_elf_build_id(const struct pa_elf *e, char ret_hex[PA_BUILD_ID_HEX]);

/* The same from a bare sequence of notes of our own byte order, such as /sys/kernel/notes. */
void pa_elf_notes_build_id(const void *notes, size_t size, char ret_hex[PA_BUILD_ID_HEX]);

#endif
