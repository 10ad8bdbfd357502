/* SPDX-License-Identifier: Apache-2.0
 * The answer about the addresses of one object while it is worked out. */
#ifndef PA_SYMBOLIZE_ANSWER_H
#define PA_SYMBOLIZE_ANSWER_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/symbolize/lookup.h"
#include "agent/symbolize/names.h"
#include "agent/symbolize/protocol.h"

#define PA_DBG_CANDIDATES 4 /* units that may claim an address */

/* One address. */
struct pa_dbg_wanted {
	uint64_t addr;
	uint64_t units[PA_DBG_CANDIDATES];
	uint32_t unit_count;
	bool done;
	uint32_t line, column; /* of the line table, where no function is known */
	const char *file;      /* NULL: no line either */
};

struct pa_dbg_answer {
	struct pa_arena arena;
	struct pa_dbg_names names;
	struct pa_dbg_wanted *wanted;
	size_t count;
	const struct pa_dbg_sink *sink;
	struct pa_dbg_known *functions[4096]; /* hash table */
	uint32_t function_count;
};

/* The function of a DIE or symbol (`key` is its place in memory) for lines in a file, from among
 * those that are known. NULL when there is no memory. */
const struct pa_dbg_function *pa_dbg_answer_die(struct pa_dbg_answer *a, Dwarf_Die *die,
						uint64_t entry, const char *file);
const struct pa_dbg_function *
pa_dbg_answer_symbol(struct pa_dbg_answer *a, const struct pa_dbg_symbol *symbol, const char *file);

/* Sends the frames of an address and marks it as done. */
void pa_dbg_answer_give(struct pa_dbg_answer *a, size_t index, const struct pa_dbg_frame *frames,
			size_t count);

/* From unit_lookup.c. Looks up addresses of one unit: indexes into a->wanted, ascending. What stays
 * undone has no function there. 0 or -ENOMEM. A guarded job. */
int pa_dbg_unit_lookup(struct pa_dbg_answer *a, size_t unit, const uint32_t *indexes,
		       size_t count) PA_CHECKED;

#endif
