/* SPDX-License-Identifier: Apache-2.0
 * How a symbol table comes to be: candidates are collected, then put in order. */
#ifndef PA_SYMBOLS_SYMTAB_BUILD_H
#define PA_SYMBOLS_SYMTAB_BUILD_H

#include "agent/symbols/symtab.h"

/* Where code lies: .init, .plt, .text, .fini and a few more. */
#define PA_SYMTAB_RANGES 64

struct pa_symtab_ranges {
	struct {
		uint64_t start, end;
	} range[PA_SYMTAB_RANGES];
	size_t count;
};

/* Appends an executable range; false when there is no room left. */
bool pa_symtab_ranges_add(struct pa_symtab_ranges *r, uint64_t start, uint64_t size);

/* End of the range that holds vaddr, 0 when none does. */
uint64_t pa_symtab_ranges_end(const struct pa_symtab_ranges *r, uint64_t vaddr);

/* Sorts, gives symbols without size the room up to the next one, drops labels inside functions
 * and fills in `reach`. 0 or -ENOMEM. Agent thread only. */
int pa_symtab_finish(struct pa_symtab *t, const struct pa_symtab_ranges *ranges) PA_CHECKED;

/* By start alone. Needs no memory, but is faster when there is some. */
void pa_symtab_sort(struct pa_symtab_entry *entries, size_t count);

size_t pa_symtab_reach_bytes(size_t count);

#endif
