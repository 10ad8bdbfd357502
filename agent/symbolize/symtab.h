/* SPDX-License-Identifier: Apache-2.0
 * Function symbols of an object and its debug files, for code without debug information. Only those
 * that have a size: none reaches across its end. */
#ifndef PA_SYMBOLIZE_SYMTAB_H
#define PA_SYMBOLIZE_SYMTAB_H

#include <libelf.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct pa_dbg_symbol {
	uint64_t start, end;
	const char *name; /* in the file */
	uint64_t reach;   /* highest end up to this one */
	uint8_t binding, type;
};

struct pa_dbg_symtab {
	struct pa_dbg_symbol *symbols;
	size_t count, cap;
};

/* Adds the symbols of .symtab and .dynsym. 0 or -ENOMEM. */
int pa_dbg_symtab_add(struct pa_dbg_symtab *t, Elf *elf) PA_CHECKED;

/* After the last add: makes it searchable. */
void pa_dbg_symtab_finish(struct pa_dbg_symtab *t);
void pa_dbg_symtab_free(struct pa_dbg_symtab *t);

/* The best of the names of the innermost function around an address: chosen as the agent chooses
 * (agent/symbols/symtab.h), so that it has one name whoever was asked. NULL: in none. */
const struct pa_dbg_symbol *pa_dbg_symtab_find(const struct pa_dbg_symtab *t, uint64_t addr);

#endif
