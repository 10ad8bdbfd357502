/* SPDX-License-Identifier: Apache-2.0
 * Names for what stands behind indirect functions (STT_GNU_IFUNC). A stripped libc tells where
 * memcpy's resolver is, but the code that the resolver has chosen for this processor has no symbol. The
 * dynamic linker has written its address into relocated slots, and the relocations say whose it is.
 * Nothing of the host is executed. x86-64. Agent thread only. */
#ifndef PA_SYMBOLS_IFUNC_H
#define PA_SYMBOLS_IFUNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/base/compiler.h"
#include "agent/symbols/elf.h"
#include "agent/symbols/symtab.h"

struct pa_ifunc {
	uint64_t vaddr;   /* of the implementation */
	const char *name; /* the best one of the functions that it implements */
	bool weak;
};

/* Where the objects of this process begin in memory. */
struct pa_ifunc_images {
	const uint64_t *heads;
	size_t count;
};

/* Finds the implementations in one object that have no symbol in its table t, by its own
 * relocations (R_X86_64_IRELATIVE) and by those of others that refer to its functions by name. src
 * is what t was read from, head where the object begins in memory. Everything is allocated from
 * `a`. 0, -ENOMEM, or an error of reading the object in memory. */
int pa_ifunc_collect(const struct pa_symtab *t, const struct pa_elf_source *src, uint64_t head,
		     const struct pa_ifunc_images *images, struct pa_arena *a,
		     struct pa_ifunc **ret, size_t *ret_count) PA_CHECKED;

#endif
