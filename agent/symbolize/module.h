/* SPDX-License-Identifier: Apache-2.0
 * An object that addresses are asked of, with all that belongs to it: its file, separate debug
 * files, units, symbols. Several are kept open between requests. */
#ifndef PA_SYMBOLIZE_MODULE_H
#define PA_SYMBOLIZE_MODULE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "agent/base/compiler.h"
#include "agent/symbolize/elf_file.h"
#include "agent/symbolize/line_table.h"
#include "agent/symbolize/symtab.h"
#include "agent/symbolize/units.h"

/* What tells one object from others. */
struct pa_dbg_identity {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
	char build_id[2 * PA_DBG_BUILD_ID + 1];
};

struct pa_dbg_module {
	struct pa_dbg_identity id;
	uint64_t used; /* when, in requests */

	struct pa_dbg_file main, debug, alt, mini;
	struct pa_dbg_file *info; /* the one with the debug information, NULL: none has */
	struct pa_dbg_line_sections lines;
	struct pa_dbg_units units;
	struct pa_dbg_symtab symtab;
	bool symtab_read;
	unsigned faults; /* at the third its debug information is not read any more */
};

struct pa_dbg_object {
	int fd;               /* -1: only in memory */
	const char *build_id; /* "" when unknown. A file that has another one is not used */
	const char *path;
};

/* The module of an object, from the cache or opened now; NULL when there is no memory. Belongs to
 * the cache, valid until the next call. */
struct pa_dbg_module *pa_dbg_module_get(const struct pa_dbg_object *o);

/* The function symbol around an address, NULL: none. Inside a guarded job. */
const struct pa_dbg_symbol *pa_dbg_module_symbol(struct pa_dbg_module *m, uint64_t addr);

/* Bytes of memory in use; above the limit other modules and indexes are dropped. */
void pa_dbg_modules_trim(struct pa_dbg_module *keep);

#endif
