/* SPDX-License-Identifier: Apache-2.0
 * The kernel's function names, from /proc/kallsyms. */
#ifndef PA_SYMBOLS_KALLSYMS_H
#define PA_SYMBOLS_KALLSYMS_H

#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct pa_kallsyms_entry {
	uint32_t start; /* from base */
	uint32_t name;  /* offset in names; 0: data, which only ends the function before it */
};

/* Zero-initialise. Not thread-safe. */
struct pa_kallsyms {
	uint64_t base;
	struct pa_kallsyms_entry *entries;
	size_t count, entries_cap; /* cap in bytes */
	char *names;
	size_t names_len, names_cap;
};

/* Reads a file in the format of /proc/kallsyms. 0, -EACCES when the addresses are hidden (all
 * zero), -ENOMEM or an error of open(2). Agent thread only. */
int pa_kallsyms_load(struct pa_kallsyms *k, const char *path) PA_CHECKED;
void pa_kallsyms_done(struct pa_kallsyms *k);

/* Name and start of the function that contains addr; NULL when that is unknown. Of several names
 * the one with fewer leading underscores, then the shorter, then the first of strcmp. */
const char *pa_kallsyms_find(const struct pa_kallsyms *k, uint64_t addr, uint64_t *ret_start);

#endif
