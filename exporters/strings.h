/* SPDX-License-Identifier: Apache-2.0
 * A table of distinct strings, numbered in order of appearance from 0 = "". What readers reject
 * is replaced by '?': bytes that are not UTF-8 (Pyroscope drops the whole profile) and control
 * characters (one name could look like several lines). */
#ifndef PA_EXPORTERS_STRINGS_H
#define PA_EXPORTERS_STRINGS_H

#include <stddef.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/base/compiler.h"
#include "agent/base/hash.h"

/* Zero-initialise. Not thread-safe. */
struct pa_strings {
	const char **items; /* not copied, except those that had to be changed */
	size_t cap;         /* bytes */
	size_t count;
	struct pa_map64 index; /* hash -> number */
	struct pa_arena arena;
};

/* The number of s, which must outlive the table. NULL is "". 0 or -ENOMEM. */
int pa_strings_add(struct pa_strings *t, const char *s, uint32_t *ret) PA_CHECKED;

void pa_strings_done(struct pa_strings *t);

#endif
