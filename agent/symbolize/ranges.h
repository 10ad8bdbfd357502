/* SPDX-License-Identifier: Apache-2.0
 * Ranges of addresses, which may overlap, each with a value. */
#ifndef PA_SYMBOLIZE_RANGES_H
#define PA_SYMBOLIZE_RANGES_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct pa_dbg_range {
	uint64_t low, high;
	uint64_t reach; /* highest end up to this one */
	uint64_t value;
};

struct pa_dbg_ranges {
	struct pa_dbg_range *items;
	size_t count, cap;
};

/* 0 or -ENOMEM. */
int pa_dbg_ranges_add(struct pa_dbg_ranges *r, uint64_t low, uint64_t high,
		      uint64_t value) PA_CHECKED;

/* Adds those of a DIE; *ret_any says whether it has some. Code that the linker left out is at 0, -1
 * or -2, and not added. 0 or -ENOMEM. */
int pa_dbg_ranges_add_die(struct pa_dbg_ranges *r, Dwarf_Die *die, uint64_t value,
			  bool *ret_any) PA_CHECKED;

/* After adding: makes them searchable. */
void pa_dbg_ranges_sort(struct pa_dbg_ranges *r);
void pa_dbg_ranges_free(struct pa_dbg_ranges *r);

/* Values of ranges around an address, the one that begins last first; each once. How many were
 * found, up to `max`. */
size_t pa_dbg_ranges_find(const struct pa_dbg_ranges *r, uint64_t addr, uint64_t *ret_values,
			  size_t max);

#endif
