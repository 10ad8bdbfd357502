/* SPDX-License-Identifier: Apache-2.0
 * Stubs of the procedure linkage table, which have no symbols: found by what they jump through.
 * x86-64, files with section headers. Agent thread only. */
#ifndef PA_SYMBOLS_PLT_H
#define PA_SYMBOLS_PLT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/symbols/elf.h"
#include "agent/symbols/symtab.h"

#define PA_PLT_SECTIONS    4 /* .plt, .plt.got, .plt.sec, .iplt */
#define PA_PLT_RELOCATIONS 4 /* .rela.plt, .rela.dyn */

struct pa_plt {
	struct {
		uint64_t start, size, offset, entry;
	} section[PA_PLT_SECTIONS];
	struct {
		uint64_t offset, count;
		struct pa_elf_section symbols, names;
	} relocations[PA_PLT_RELOCATIONS];
	size_t section_count, relocation_count;
};

/* Finds the stubs and the relocations that tell where they lead. Objects of other machines and
 * broken ones have no stubs. */
void pa_plt_load(struct pa_plt *p, const struct pa_elf *e);

/* Start of the stub that contains vaddr, 0 when none does. */
uint64_t pa_plt_stub(const struct pa_plt *p, uint64_t vaddr);

/* Linkage name of the function that the stub at `start` leads to, without version, inside *n; NULL
 * when that cannot be told. Indirect functions of the object itself are looked up in t. */
const char *pa_plt_target(const struct pa_plt *p, const struct pa_elf *e, const struct pa_symtab *t,
			  uint64_t start, struct pa_symtab_names *n);

#endif
