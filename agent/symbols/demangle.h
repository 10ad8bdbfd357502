/* SPDX-License-Identifier: Apache-2.0
 * Readable names for C++ (Itanium ABI), Rust (legacy and v0) and D, by libiberty. Its allocator is
 * replaced by ours at build time and it runs on a stack of its own, so that a hostile name neither
 * reaches the host's malloc nor overflows an agent thread's small stack. */
#ifndef PA_SYMBOLS_DEMANGLE_H
#define PA_SYMBOLS_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/compiler.h"

struct pa_demangler;

/* Working memory, of which only touched pages cost anything. NULL: over the budget. */
struct pa_demangler *pa_demangler_new(void) PA_CHECKED;
void pa_demangler_free(struct pa_demangler *d); /* NULL is fine */

/* Whether a name looks mangled at all. Any thread. */
bool pa_demangle_wanted(const char *name);

/* Writes the readable form, NUL-terminated, with "..." at the end when it had to be cut. Its
 * length, or 0 when the name is not mangled, malformed or too costly. Agent thread only. */
size_t pa_demangle(struct pa_demangler *d, const char *mangled, char *buf, size_t size);

#endif
