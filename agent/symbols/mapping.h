/* SPDX-License-Identifier: Apache-2.0
 * From the lines of /proc/self/maps to the mappings that a profile shows. Agent thread only. */
#ifndef PA_SYMBOLS_MAPPING_H
#define PA_SYMBOLS_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/base/compiler.h"
#include "agent/base/maps.h"
#include "agent/symbols/symbols.h"

/* What lies behind one mapping: one copy of a file, or memory that belongs to none. */
struct pa_image {
	struct pa_mapping shown;
	const struct pa_map *map; /* the first executable line; of a fragment, its file's line */
	uint64_t head;            /* where the file's offset 0 is mapped; 0: nowhere */
	bool has_head;
};

/* A piece of executable memory. */
struct pa_region {
	uint64_t start, end;
	uint64_t offset; /* in the file, of start */
	size_t image;    /* index */
};

struct pa_mappings {
	struct pa_image *images; /* the executable's first, then by address */
	size_t image_count;
	struct pa_region *regions; /* by address */
	size_t region_count;
};

/* Keeps what is executable and merges the pieces of one copy of a file (split by mprotect,
 * huge pages or several text segments) into one image. Anonymous text inside a file's image is a
 * part of it that was moved to huge pages: it never makes a mapping of its own (contract 2.6).
 * Other anonymous executable memory is JIT code and called "//anon". `program` is an address inside
 * the executable's text. The images point into `maps`. 0 or -ENOMEM. */
int pa_mappings_build(const struct pa_map *maps, size_t count, uint64_t program, struct pa_arena *a,
		      struct pa_mappings *ret) PA_CHECKED;

/* The region that holds addr, NULL when none does. */
const struct pa_region *pa_mappings_find(const struct pa_mappings *m, uint64_t addr);

#endif
