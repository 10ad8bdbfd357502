/* SPDX-License-Identifier: Apache-2.0
 * The function symbols of one object, 12 bytes each, sorted by address. Names stay in the file
 * (or in the live image) and are read when they are asked for: a profile needs few of them. */
#ifndef PA_SYMBOLS_SYMTAB_H
#define PA_SYMBOLS_SYMTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/symbols/elf.h"

struct pa_symtab_entry {
	uint32_t start; /* from the table's base */
	uint32_t size : 26;
	uint32_t local : 1;
	uint32_t weak : 1;
	uint32_t label : 1;   /* STT_NOTYPE: assembler without .type */
	uint32_t empty : 1;   /* size 0 in the file; an alias may have had one */
	uint32_t ifunc : 1;   /* STT_GNU_IFUNC: the code is a resolver */
	uint32_t dynamic : 1; /* name in strings[1] */
	uint32_t name;
};

/* Zero-initialise. Not thread-safe. */
struct pa_symtab {
	uint64_t base; /* virtual address in the file */
	struct pa_symtab_entry *entries;
	size_t count, capacity;
	uint32_t *reach; /* [k]: highest end among the first (k + 1) * PA_SYMTAB_BLOCK entries */
	struct {
		uint64_t pos, size; /* in the source */
	} strings[2];               /* of .symtab and of .dynsym */
};

#define PA_SYMTAB_BLOCK    64
#define PA_SYMTAB_SIZE_MAX ((1u << 26) - 1)

/* Reads .symtab, and of .dynsym what starts where .symtab has nothing. An object without
 * functions gives an empty table. 0, -ENOMEM, or an error of the source. Agent thread only. */
int pa_symtab_load(struct pa_symtab *t, const struct pa_elf *e) PA_CHECKED;

/* Reads the dynamic symbols of an image in memory through its PT_DYNAMIC. -ENOENT without one. */
int pa_symtab_load_image(struct pa_symtab *t, const struct pa_elf *image) PA_CHECKED;

void pa_symtab_done(struct pa_symtab *t);

/* Bytes mapped. */
size_t pa_symtab_bytes(const struct pa_symtab *t);

/* The symbols with the highest start among those that contain vaddr: entries [first, first +
 * count), aliases of each other. The last of them stands for the group in caches. False when no
 * symbol contains vaddr. */
bool pa_symtab_find(const struct pa_symtab *t, uint64_t vaddr, size_t *ret_first,
		    size_t *ret_count);

#define PA_SYMTAB_NAME 16384 /* longer names are cut */

struct pa_symtab_names {
	char text[2][PA_SYMTAB_NAME];
};

/* Chooses among aliases, reading names from src into *n: a typed symbol before a label, one with
 * a size before one without, which may be what is left of a function that cannot be called, an
 * exported one before a local one, fewer leading underscores (poll before __poll), global before
 * weak, the shorter, the one that strcmp puts first. Symbol versions ("@@GLIBC_2.2.5") are cut off;
 * assembler-local (".L...") and mapping symbols ("$x") do not count. Returns the name, inside *n, or
 * NULL. */
const char *pa_symtab_choose(const struct pa_symtab *t, const struct pa_elf_source *src,
			     size_t first, size_t count, struct pa_symtab_names *n);

#endif
