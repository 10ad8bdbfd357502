/* SPDX-License-Identifier: Apache-2.0
 * The functions of one compile unit that have code. */
#ifndef PA_SYMBOLIZE_FUNCTIONS_H
#define PA_SYMBOLIZE_FUNCTIONS_H

#include <elfutils/libdw.h>
#include <stdbool.h>

#include "agent/base/compiler.h"
#include "agent/symbolize/ranges.h"

enum pa_dbg_depth {
	PA_DBG_NOTHING = 0,
	PA_DBG_NAMESPACES, /* where compilers put nearly all of them */
	PA_DBG_EVERYTHING, /* also inside classes and other functions */
};

struct pa_dbg_functions {
	enum pa_dbg_depth depth;     /* how far the unit has been read */
	unsigned failures;           /* to read it: time or memory ran out */
	struct pa_dbg_ranges ranges; /* value: offset of the DIE in its section */
};

/* Reads the functions below a unit's DIE, anew. 0, -ENOMEM or -ETIME. */
int pa_dbg_functions_read(struct pa_dbg_functions *f, Dwarf_Die *unit,
			  enum pa_dbg_depth depth) PA_CHECKED;

#endif
