/* SPDX-License-Identifier: Apache-2.0
 * What the samples of a profile refer to: locations, functions, mappings and strings, each with
 * the number that it has in the file. */
#ifndef PA_EXPORTERS_PPROF_TABLES_H
#define PA_EXPORTERS_PPROF_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/base/compiler.h"
#include "agent/base/hash.h"
#include "agent/core/profile.h"
#include "exporters/pprof.h"
#include "exporters/strings.h"

struct pa_symbols;

/* Ids are 1 + index; 0 in a reference is "none". */
struct pa_pprof_location {
	uint64_t address;
	uint32_t mapping;
	uint32_t line, line_count; /* first of its lines: an index */
};

struct pa_pprof_line {
	uint32_t function, line, column;
};

struct pa_pprof_function {
	uint32_t name, system_name, file; /* strings */
	uint32_t start_line;
};

struct pa_pprof_mapping {
	uint64_t start, limit, offset;
	uint32_t file, build_id; /* strings */
	/* What at least one location in it has. */
	bool has_functions, has_filenames, has_line_numbers, has_inline_frames;
};

/* Strings that the file's head refers to. */
struct pa_pprof_head {
	uint32_t types[PA_PROFILE_VALUES][2], period_type[2]; /* type, unit */
	uint32_t default_type;
	int64_t *comments;
	size_t comment_count;
};

struct pa_pprof_tables {
	const struct pa_profile *profile;
	struct pa_symbols *symbols; /* owns the names in `strings` */
	struct pa_pprof_options options;
	struct pa_arena arena;
	struct pa_strings strings;
	struct pa_map64 location_ids; /* by address; 0: a frame of the agent, not shown */
	struct pa_pprof_location *locations;
	size_t locations_cap, location_count;
	struct pa_pprof_line *lines;
	size_t lines_cap, line_count;
	struct pa_map64 function_ids; /* by a hash of all that it consists of */
	struct pa_pprof_function *functions;
	size_t functions_cap, function_count;
	struct pa_pprof_mapping *mappings;
	size_t mapping_count;
	size_t depth;       /* frames of the deepest sample */
	const char *remark; /* one comment more; NULL: none */
	struct pa_pprof_head head;
};

/* Fills zeroed tables; call done also after a failure. 0 or -errno. Agent thread only. */
int pa_pprof_tables_init(struct pa_pprof_tables *t, const struct pa_profile *p,
			 const struct pa_pprof_options *options) PA_CHECKED;
void pa_pprof_tables_done(struct pa_pprof_tables *t);

/* Writes the location ids of a sample to ids[max(1, frame_count)], without the agent's frames
 * (a stack of nothing else becomes PA_PSEUDO_AGENT). Returns how many. */
size_t pa_pprof_stack(const struct pa_pprof_tables *t, const struct pa_sample *s, uint64_t *ids);

#endif
