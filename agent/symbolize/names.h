/* SPDX-License-Identifier: Apache-2.0
 * What a function is called. */
#ifndef PA_SYMBOLIZE_NAMES_H
#define PA_SYMBOLIZE_NAMES_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct pa_arena;
struct pa_demangler;
struct pa_dbg_module;
struct pa_dbg_symbol;

struct pa_dbg_names {
	struct pa_arena *arena; /* for the texts */
	struct pa_demangler *demangler;
	struct pa_dbg_module *module;
};

struct pa_dbg_name {
	const char *name;        /* as people read it */
	const char *system_name; /* linkage name; the plain one where there is none */
	uint32_t start_line;     /* of the declaration, 0: unknown */
};

/* The function that an inlined call is of, as far as it is known: else *die stays. */
void pa_dbg_name_origin(Dwarf_Die *die);

/* The name of a function or of an inlined call. `entry` is where the function begins, 0 for what is
 * inlined: C++ functions that are not visible outside (static, in an anonymous namespace) have
 * their full name only in the symbol table. False when it has none. */
bool pa_dbg_name_of_die(struct pa_dbg_names *n, Dwarf_Die *die, uint64_t entry,
			struct pa_dbg_name *ret);

bool pa_dbg_name_of_symbol(struct pa_dbg_names *n, const struct pa_dbg_symbol *symbol,
			   struct pa_dbg_name *ret);

#endif
