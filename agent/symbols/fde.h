/* SPDX-License-Identifier: Apache-2.0
 * Where functions without symbols begin and end: .eh_frame_hdr has a search table of all that can
 * be unwound through, and no strip takes it away. Agent thread only. */
#ifndef PA_SYMBOLS_FDE_H
#define PA_SYMBOLS_FDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/symbols/elf.h"

struct pa_fde_entry {
	int32_t start;      /* of the function, from the table's base */
	int32_t value : 31; /* place of its frame description (FDE), from the base; its size later */
	uint32_t sized : 1; /* value is the size in bytes; 0 when it cannot be told */
};

/* Zero-initialise. Not thread-safe. */
struct pa_fde_table {
	bool loaded;
	uint64_t base, pos; /* of .eh_frame_hdr: virtual address, position in the source */
	struct pa_fde_entry *entries;
	size_t count;
};

/* Reads the search table. An object without one, or with one that is broken or in a form that
 * linkers do not write, gives an empty table. 0 or -ENOMEM. */
int pa_fde_load(struct pa_fde_table *t, const struct pa_elf *e) PA_CHECKED;

void pa_fde_done(struct pa_fde_table *t);

/* Bytes mapped. */
size_t pa_fde_bytes(const struct pa_fde_table *t);

/* Start of the function that contains vaddr. The first time in a function its size is read from
 * src: -EAGAIN when that is NULL. -ENOENT when no function is known to contain vaddr. e is the one
 * that the table was loaded from; its source is not used. */
int pa_fde_find(struct pa_fde_table *t, const struct pa_elf *e, const struct pa_elf_source *src,
		uint64_t vaddr, uint64_t *ret_start) PA_CHECKED;

#endif
