/* SPDX-License-Identifier: Apache-2.0
 * The calls that were inlined into a function, as far as wanted addresses are in them. */
#ifndef PA_SYMBOLIZE_INLINES_H
#define PA_SYMBOLIZE_INLINES_H

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct pa_dbg_call {
	Dwarf_Die die;
	int32_t parent; /* the call that this one is in, -1: the function */
	uint32_t depth;
};

struct pa_dbg_inlines {
	struct pa_dbg_call *calls;
	size_t count, cap;
	int32_t *innermost; /* for each address: its call, -1: none */
};

/* Addresses are ascending. Free with pa_dbg_inlines_free, also after -ENOMEM. */
int pa_dbg_inlines_read(struct pa_dbg_inlines *t, Dwarf_Die *function, const uint64_t *addrs,
			size_t count) PA_CHECKED;
void pa_dbg_inlines_free(struct pa_dbg_inlines *t);

#endif
