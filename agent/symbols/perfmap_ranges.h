/* SPDX-License-Identifier: Apache-2.0
 * Ranges of addresses in the order in which they were written down: a later one covers what
 * earlier ones say about the same addresses, as compilers use their memory again. Kept as pieces
 * that do not overlap, so that finding one takes O(log n). Not thread-safe. */
#ifndef PA_SYMBOLS_PERFMAP_RANGES_H
#define PA_SYMBOLS_PERFMAP_RANGES_H

#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct pa_perfmap_range {
	uint64_t start;
	uint32_t size; /* never 0 */
	uint32_t line; /* position in the file */
};

/* Zero-initialise. */
struct pa_perfmap_ranges {
	struct pa_perfmap_range *items; /* by start, without overlap */
	size_t count, bytes;
};

/* Lays `over` on top of `under`, both sorted and without overlap, into out[0..]: at most under_count
 * + 2 * over_count pieces. NULL counts only. Returns how many. */
size_t pa_perfmap_overlay(const struct pa_perfmap_range *under, size_t under_count,
			  const struct pa_perfmap_range *over, size_t over_count,
			  struct pa_perfmap_range *out);

/* Adds ranges in the order of the file. At most `max` pieces are kept, those that were written
 * last; the number of others is added to *dropped. 0 or -ENOMEM, nothing changed then. */
int pa_perfmap_ranges_add(struct pa_perfmap_ranges *r, const struct pa_perfmap_range *items,
			  size_t count, size_t max, uint64_t *dropped) PA_CHECKED;

/* The piece that contains addr, NULL when none does. Valid until the next add. */
const struct pa_perfmap_range *pa_perfmap_ranges_find(const struct pa_perfmap_ranges *r,
						      uint64_t addr);

void pa_perfmap_ranges_done(struct pa_perfmap_ranges *r);

#endif
