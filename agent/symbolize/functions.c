/* SPDX-License-Identifier: Apache-2.0
 * Walking a compile unit. Types are most of it, and skipped. */
#include "agent/symbolize/functions.h"

#include <dwarf.h>
#include <errno.h>

#include "agent/symbolize/guard.h"

#define DEPTH_MAX    64
#define FAILURES_MAX 3

static bool may_hold_code(Dwarf_Die *die, enum pa_dbg_depth depth)
{
	switch (dwarf_tag(die)) {
	case DW_TAG_namespace:
	case DW_TAG_module:
		return true;
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
	case DW_TAG_interface_type:
	case DW_TAG_variant_part:
	case DW_TAG_variant:
	case DW_TAG_subprogram:
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_common_block:
	case DW_TAG_inlined_subroutine:
		return depth == PA_DBG_EVERYTHING;
	default:
		return false;
	}
}

/* Goes on to the next DIE of a walk, below the present one when `down`. False at the end. */
static bool step(Dwarf_Die *stack, int *depth, bool down)
{
	Dwarf_Die next;

	if (down && *depth + 1 < DEPTH_MAX && dwarf_child(&stack[*depth], &next) == 0) {
		stack[++*depth] = next;
		return true;
	}
	for (; *depth >= 0; --*depth) {
		if (dwarf_siblingof(&stack[*depth], &next) == 0) {
			stack[*depth] = next;
			return true;
		}
	}
	return false;
}

int pa_dbg_functions_read(struct pa_dbg_functions *f, Dwarf_Die *unit, enum pa_dbg_depth depth)
{
	Dwarf_Die stack[DEPTH_MAX];
	bool more = dwarf_child(unit, &stack[0]) == 0, any;
	int at = 0, error = 0;

	pa_dbg_ranges_free(&f->ranges);
	while (more && error == 0 && !pa_dbg_late()) {
		Dwarf_Die *die = &stack[at];

		if (dwarf_tag(die) == DW_TAG_subprogram)
			error = pa_dbg_ranges_add_die(&f->ranges, die, dwarf_dieoffset(die), &any);
		more = step(stack, &at, may_hold_code(die, depth));
	}
	pa_dbg_ranges_sort(&f->ranges);
	if (error == 0 && pa_dbg_late())
		error = -ETIME;
	if (error < 0)
		f->failures++;
	if (error < 0 && f->failures < FAILURES_MAX)
		f->depth = PA_DBG_NOTHING; /* another request may have more time or memory */
	else
		f->depth = error < 0 ? PA_DBG_EVERYTHING : depth;
	return error;
}
