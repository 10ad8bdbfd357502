/* SPDX-License-Identifier: Apache-2.0
 * Which compile units an address is in. From the units' own ranges, not from .debug_aranges, which
 * clang does not write. */
#ifndef PA_SYMBOLIZE_UNITS_H
#define PA_SYMBOLIZE_UNITS_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/symbolize/elf_file.h"
#include "agent/symbolize/functions.h"

struct pa_dbg_unit {
	Dwarf_Die die;
	uint64_t size; /* bytes of its debug information, as far as known */
	bool ranged;   /* its DIE says what code it has */
	struct pa_dbg_functions functions;
};

struct pa_dbg_units {
	struct pa_dbg_unit *units;
	size_t count, cap;
	struct pa_dbg_ranges ranges; /* value: index of the unit */
	bool all_ranged;             /* ranges of units without any were added */
	const char *folder;          /* of the file, NULL: libdw does not know it */
};

/* 0 or -ENOMEM; what is malformed is left out. The file must stay open. */
int pa_dbg_units_read(struct pa_dbg_units *u, const struct pa_dbg_file *f) PA_CHECKED;
void pa_dbg_units_free(struct pa_dbg_units *u);

/* Adds ranges of the functions of those units whose DIE has none; once. 0 or -ENOMEM. */
int pa_dbg_units_read_unranged(struct pa_dbg_units *u) PA_CHECKED;

/* The unit with the functions and lines of this one: itself, or the .dwo file's. */
void pa_dbg_unit_split(const struct pa_dbg_units *all, const struct pa_dbg_unit *u, Dwarf_Die *ret);

#endif
