/* SPDX-License-Identifier: Apache-2.0
 * What is remembered of an object that may be unloaded, taken while it can still be read: its build
 * id, and a copy of those parts of its file (or of its image, where the file is out of reach) that
 * names are made of. Plugins are replaced and extracted libraries unlinked before anybody asks. The
 * journal (agent/base/modules.h) has one for each such object. Bounded in bytes. */
#ifndef PA_SYMBOLS_KEPT_H
#define PA_SYMBOLS_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/modules.h"
#include "agent/symbols/elf.h"
#include "agent/symbols/elf_copy.h"

struct pa_kept;

extern const struct pa_modules_keeper pa_kept_keeper;

/* One pin more on what the journal has; callable from pa_modules_each. */
struct pa_kept *pa_kept_pin(struct pa_kept *k);
void pa_kept_put(struct pa_kept *k); /* NULL is fine */

/* "" when the object has none. */
const char *pa_kept_build_id(const struct pa_kept *k);

/* Headers, with the copy as their source while pinned; NULL when there is no copy. */
const struct pa_elf *pa_kept_elf(const struct pa_kept *k);

/* Notes in *parts, whose source is the object's, everything that names are made of. 0, -EFBIG where
 * that is more than parts->max, or an error of the source. Agent thread only. */
int pa_kept_parts(struct pa_elf_parts *parts, const struct pa_elf *of) PA_CHECKED;

/* Bytes of memory of all copies, and how many there may be at most. */
size_t pa_kept_bytes(void);
size_t pa_kept_max(void);

/* In a forked child, single-threaded. */
void pa_kept_fork_child(void);

#endif
