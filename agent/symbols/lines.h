/* SPDX-License-Identifier: Apache-2.0
 * Lines of source code that addresses belong to, by object: what the symbolizer has said once is
 * kept, least recently used objects are dropped above a number of bytes. Objects are known by build
 * id, so copies of one file share their lines. Agent thread only. */
#ifndef PA_SYMBOLS_LINES_H
#define PA_SYMBOLS_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct pa_lines;

struct pa_function {
	const char *name;        /* as people read it */
	const char *system_name; /* linkage name */
	const char *file;        /* absolute path, "" when unknown */
	uint32_t start_line;     /* 0: unknown */
};

struct pa_code_line {
	const struct pa_function *function;
	uint32_t line, column; /* 0: unknown */
};

/* All lines of one address, innermost first: what was inlined stands before what it was inlined
 * into. None when nothing is known about it. */
struct pa_address_lines {
	uint32_t count;
	struct pa_code_line lines[];
};

/* The lines of the object with this key (a build id, or else what tells a file from others),
 * pinned: what they hold is valid until put. NULL: over the budget. */
struct pa_lines *pa_lines_get(const char *key) PA_CHECKED;
struct pa_lines *pa_lines_pin(struct pa_lines *l);
void pa_lines_put(struct pa_lines *l); /* NULL is fine */

/* What is known about a virtual address; NULL: it was not asked for yet. */
const struct pa_address_lines *pa_lines_find(struct pa_lines *l, uint64_t vaddr);

/* Copies a function, once. 0 or -ENOMEM. */
int pa_lines_add_function(struct pa_lines *l, const struct pa_function *f,
			  const struct pa_function **ret) PA_CHECKED;

/* Copies the lines of an address; functions are of this object. One that has lines keeps them. 0
 * or -ENOMEM, also when PA_LINES_MAX is reached by what is pinned. */
int pa_lines_add(struct pa_lines *l, uint64_t vaddr, const struct pa_code_line *lines,
		 size_t count) PA_CHECKED;

/* Counts an object at which the symbolizer died; after the second time it is not asked again. */
void pa_lines_blame(struct pa_lines *l);
bool pa_lines_hopeless(struct pa_lines *l);

/* Bytes that are kept. Nothing is added at the limit. */
size_t pa_lines_bytes(void);
#define PA_LINES_MAX ((size_t)16 << 20)

/* Drops what is not pinned. */
void pa_lines_drop(void);

/* In a forked child, single-threaded. What the parent's threads had pinned stays. */
void pa_lines_fork_child(void);

#endif
