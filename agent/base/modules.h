/* SPDX-License-Identifier: Apache-2.0
 * A journal of the objects (ELF files, mostly) that are or were mapped in this process: where, what
 * and when. An address alone does not say which function it was once its object is gone and another
 * lies in its place; with the generation in which it was seen it does.
 *
 * A generation is the number of a snapshot of all objects, counted by whoever writes the journal.
 * A frame becomes canonical by pa_modules_frames: it stays as it is where it belongs to the first
 * object ever seen at its address, so almost always, and moves into the alias area where it belongs
 * to another one. Canonical frames are unique for as long as the journal remembers their objects. */
#ifndef PA_BASE_MODULES_H
#define PA_BASE_MODULES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/maps.h"

/* In non-canonical address space, where no code can be: slots of 4 GiB, one an object. */
#define PA_ALIAS_BASE 0x00fb000000000000ull
#define PA_ALIAS_END  0x00fc000000000000ull

static inline bool pa_modules_is_alias(uint64_t frame)
{
	return frame - PA_ALIAS_BASE < PA_ALIAS_END - PA_ALIAS_BASE;
}

#define PA_MODULES_NOW UINT32_MAX /* the generation in force; no other has this number */

/* Dead objects that are remembered; the longest dead ones go first. */
#define PA_MODULES_DEAD_MAX 512

/* An object as its memory shows it. */
struct pa_module_object {
	uint64_t lo, hi; /* addresses, hi exclusive; less than 4 GiB */
	uint64_t head;   /* of its ELF header; 0: code without headers */
	uint64_t bias;   /* address - p_vaddr; 0 without headers */
	uint64_t inode;
	uint64_t identity; /* hash of its first page and the like */
	uint32_t dev;      /* as in struct pa_map */
	bool has_build_id; /* in what `identity` was made of: the file does not matter then */
	bool permanent;    /* the loader never unloads it */
};

struct pa_module {
	struct pa_module_object object;
	uint32_t serial;       /* no two modules have the same */
	uint64_t start, limit; /* executable part: from its first mapping to its last */
	uint64_t first_end;    /* where that first mapping ends */
	uint64_t offset;       /* of `start` in the file */
	uint64_t size,
		mtime_ns; /* of the file, when it was first seen at its path; 0: was not there */
	const char *path; /* where the file was last seen; "" for none */
	bool deleted;     /* it is not at its path any more */
	bool alive;       /* in the generation in force */
	uint64_t alias;   /* canonical address of object.lo; 0: that itself */
	uint64_t vacant;  /* the same for what lay there while it was not alive; 0: nothing did */
	void *kept;       /* what the keeper made of it; NULL: nothing */
};

/* Whoever wants to remember more of an object, as long as it can be read. `keep` is called without
 * locks for each object that is not permanent, once when it is new and again when its file was
 * deleted: it then takes over m->kept, which it returned before, and may return it again. `drop`
 * is called with the journal's lock held, when the object is forgotten. */
struct pa_modules_keeper {
	void *(*keep)(const struct pa_module *m);
	void (*drop)(void *kept);
};

/* Constructor only. */
void pa_modules_set_keeper(const struct pa_modules_keeper *k);

/* Enters what is mapped in a generation: `objects` by address, without overlaps, and all maps.
 * Generations never fall; the same one again means the same objects, whose files may have been
 * deleted meanwhile. Call it before walks can see the generation. 0 or -ENOMEM (what is new is then
 * left out). Agent thread only. */
int pa_modules_update(const struct pa_map *maps, size_t map_count,
		      const struct pa_module_object *objects, size_t count,
		      uint32_t generation) PA_CHECKED;

/* The same for a stack that was walked in generation `now` from registers and memory copied earlier,
 * in `since` or later. False, with frames untouched, where an object has taken another one's place
 * between the two, so that nobody knows which of them it was. Agent thread only. */
bool pa_modules_frames_since(uint64_t *frames, size_t count, uint32_t since,
			     uint32_t now) PA_CHECKED;

/* Notes executable memory that belongs to no living object, so that an object which comes to lie
 * there later gets an alias. Agent thread only. */
void pa_modules_note_others(const struct pa_map *maps, size_t count);

/* Hands new objects to the keeper. Agent thread only. */
void pa_modules_keep(void);

/* Whether a frame may differ from its canonical form. */
extern _Atomic bool pa_modules_ambiguous;

/* Makes frames of one walk canonical, in place. With PA_MODULES_NOW, an address at which nothing is
 * now is taken for the first object's that was there. Agent thread only. */
void pa_modules_frames(uint64_t *frames, size_t count, uint32_t generation);

/* Whether the address is in executable memory that was noted. Agent thread only. */
bool pa_modules_noted(uint64_t addr);

/* Calls fn for each module by address, with the journal's lock held: fn may pin m->kept, but call
 * nothing of this header. Agent thread only. */
void pa_modules_each(void (*fn)(const struct pa_module *m, void *arg), void *arg);

/* Forgets the module that has been dead for longest. False: none is dead. Agent thread only. */
bool pa_modules_drop_oldest(void);

struct pa_modules_stats {
	size_t count, dead; /* modules, and those of them that are gone */
	size_t bytes;       /* of memory */
	uint64_t dropped;   /* modules forgotten */
};
void pa_modules_stats_get(struct pa_modules_stats *ret);

/* In a forked child, single-threaded: the address space is the same, and so is the journal. */
void pa_modules_fork_child(void);

#endif
