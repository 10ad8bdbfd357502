/* SPDX-License-Identifier: Apache-2.0
 * What an object consists of; for its own files only. */
#ifndef PA_SYMBOLS_OBJECT_PRIVATE_H
#define PA_SYMBOLS_OBJECT_PRIVATE_H

#include <stdatomic.h>

#include "agent/base/arena.h"
#include "agent/base/hash.h"
#include "agent/base/lock.h"
#include "agent/symbols/fde.h"
#include "agent/symbols/object.h"
#include "agent/symbols/plt.h"

struct pa_object {
	/* Under the cache's lock. */
	struct pa_object *next;
	unsigned pins;
	uint64_t used; /* rises with each pin of any object */
	bool cached;

	/* Constant. */
	struct pa_object_id id;
	struct pa_elf elf;
	char build_id[PA_BUILD_ID_HEX];

	/* Under lock. The symbol table is constant once loaded. */
	struct pa_lock lock;
	bool loaded;
	int failed; /* -errno that will not go away */
	struct pa_symtab symtab;
	struct pa_plt plt;
	struct pa_fde_table fdes; /* loaded when an address has no symbol */
	struct pa_map64 names;    /* name_key() -> struct pa_object_name */
	uint64_t ifunc_key;       /* of the images that were looked through last; 0: none */
	struct pa_arena arena;

	_Atomic size_t bytes;
};

/* Keys of names: a function's last entry in the symbol table, or a place in the code and one of
 * these. */
#define PA_OBJECT_KEY_STUB  (UINT64_C(1) << 63)
#define PA_OBJECT_KEY_IFUNC (UINT64_C(1) << 62)

/* Copies a linkage name and what people read of it, the suffix behind both. NULL: no memory. Caller
 * holds o->lock. */
const struct pa_object_name *pa_object_add_name(struct pa_object *o, uint64_t key, uint64_t vaddr,
						const char *text, const char *suffix,
						struct pa_object_scratch *s);

/* Sums up what the object holds. Caller holds o->lock, or nobody else knows o. */
void pa_object_count_bytes(struct pa_object *o);

#endif
