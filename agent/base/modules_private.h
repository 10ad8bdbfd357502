/* SPDX-License-Identifier: Apache-2.0
 * What the journal of objects consists of; for its own files only. */
#ifndef PA_BASE_MODULES_PRIVATE_H
#define PA_BASE_MODULES_PRIVATE_H

#include "agent/base/lock.h"
#include "agent/base/modules.h"

/* Lives of one object that are told apart; the two oldest become one when there are more. */
#define PA_MODULE_LIVES 8

struct pa_module_life {
	uint32_t from, to; /* generations, inclusive; to is PA_MODULES_NOW while it lasts */
};

struct pa_module_entry {
	struct pa_module m; /* but for m.path */
	size_t path;        /* offset in the pool */
	struct pa_module_life lives[PA_MODULE_LIVES];
	unsigned life_count;
	bool seen;   /* by the update in progress */
	bool wanted; /* by the keeper, which has not seen it */
};

#define PA_MODULE_RANGES 64

/* Addresses at which there was executable memory that no entry stands for. Ranges are merged when
 * there are too many: what an object is loaded to there gets an alias that it may not need. */
struct pa_module_ranges {
	struct {
		uint64_t lo, hi;
	} at[PA_MODULE_RANGES +
	     1]; /* by address, apart from each other; one to spare while adding */
	size_t count;
};

struct pa_module_index {
	uint32_t entry;
	uint64_t lo;
	uint64_t reach; /* highest address of this and all before it */
};

struct pa_modules {
	struct pa_lock lock;
	struct pa_module_entry *entries; /* by address, then by age */
	size_t entries_cap, count, dead;
	char *pool; /* paths */
	size_t pool_cap, pool_len, pool_unused;
	/* Entries that frames have to be compared with: those that are gone, were gone for a while,
	 * or have an alias. By address. */
	struct pa_module_index *index;
	size_t index_cap, index_count;
	struct pa_module_ranges others;
	uint32_t serial;
	uint32_t slot; /* that was given out last */
	uint64_t dropped;
};

extern struct pa_modules pa_modules_journal;
extern struct pa_modules_keeper pa_modules_keeper; /* NULL members: none */

/* The rest is called with the lock held. */

/* Brings the index in line with the entries. 0 or -ENOMEM, when frames stay as they are. */
int pa_modules_index(struct pa_modules *j) PA_CHECKED;

/* An address range of its own for an object. */
uint64_t pa_modules_new_alias(struct pa_modules *j);

/* The entry's path. Storing copies one into the pool, which may move: 0 or -ENOMEM. Forgetting has
 * to come before the entry has another one, or is none any more. */
const char *pa_module_path(const struct pa_modules *j, const struct pa_module_entry *e);
int pa_module_path_store(struct pa_modules *j, const char *path, size_t *ret) PA_CHECKED;
void pa_module_path_forget(struct pa_modules *j, const struct pa_module_entry *e);

void pa_module_ranges_add(struct pa_module_ranges *r, uint64_t lo, uint64_t hi);
bool pa_module_ranges_overlap(const struct pa_module_ranges *r, uint64_t lo, uint64_t hi);

#endif
