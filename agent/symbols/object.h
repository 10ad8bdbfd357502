/* SPDX-License-Identifier: Apache-2.0
 * The symbols of one object, and the cache that requests share them through: tables and names by
 * (device, inode, size, modification time), least recently used ones dropped above a number of
 * bytes. Objects that can only be read from memory belong to one request. Agent thread only. */
#ifndef PA_SYMBOLS_OBJECT_H
#define PA_SYMBOLS_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/symbols/demangle.h"
#include "agent/symbols/elf.h"
#include "agent/symbols/ifunc.h"
#include "agent/symbols/symtab.h"

/* What tells one state of one file from another. */
struct pa_object_id {
	uint64_t dev, inode, size, mtime_ns;
};

/* Opens a regular file for reading, and says which one it is. A descriptor or -errno. */
int pa_object_open_file(const char *path, struct pa_object_id *ret_id) PA_CHECKED;

bool pa_object_id_equal(const struct pa_object_id *a, const struct pa_object_id *b);

struct pa_object;

/* The object of a file, pinned: from the cache, or new, its headers read from src then. NULL id:
 * an object of this caller alone. 0, -ENOEXEC (no ELF file), -ENOMEM, or an error of src. */
int pa_object_get(const struct pa_object_id *id, const struct pa_elf *e,
		  struct pa_object **ret) PA_CHECKED;

/* The object with this id, pinned, if the cache has it; else NULL. */
struct pa_object *pa_object_find(const struct pa_object_id *id) PA_CHECKED;

/* Ends the pin. NULL is fine. */
void pa_object_put(struct pa_object *o);

const struct pa_object_id *pa_object_id(const struct pa_object *o);

/* Headers (with the source they were read from, which may be gone) and build id. */
const struct pa_elf *pa_object_elf(const struct pa_object *o);
const char *pa_object_build_id(const struct pa_object *o);

/* Reads the symbol table from src unless that has been done. 0 or -errno; only -ENOMEM is worth
 * another try. */
int pa_object_load(struct pa_object *o, const struct pa_elf_source *src) PA_CHECKED;
bool pa_object_loaded(struct pa_object *o);

struct pa_object_name {
	const char *name;        /* demangled */
	const char *system_name; /* as in the symbol table; may be the same pointer */
	uint64_t vaddr;          /* start of the function */
};

/* What is needed to make a name, and too large for a stack. */
struct pa_object_scratch {
	struct pa_symtab_names names;
	char readable[4096];
	struct pa_demangler *demangler; /* made at first need */
};

/* A function that contains a virtual address: which one, to be named in a second step. */
struct pa_object_hit {
	size_t first, count; /* entries of the symbol table */
	uint64_t stub;       /* else: start of a stub of the procedure linkage table */
};

/* Whether the loaded symbol table has a function there, or a stub. */
bool pa_object_lookup(struct pa_object *o, uint64_t vaddr, struct pa_object_hit *ret);

/* The name if it was asked for before; NULL otherwise. Valid while pinned. */
const struct pa_object_name *pa_object_name_known(struct pa_object *o,
						  const struct pa_object_hit *hit);

/* The name, read from src. NULL when it cannot be read or the budget is used up. */
const struct pa_object_name *pa_object_name(struct pa_object *o, const struct pa_object_hit *hit,
					    const struct pa_elf_source *src,
					    struct pa_object_scratch *scratch);

/* Start of the function that contains vaddr, for code without symbols. -EAGAIN: give src, which is
 * NULL while the file need not be open. -ENOENT: unknown. -ENOMEM. */
int pa_object_function(struct pa_object *o, uint64_t vaddr, const struct pa_elf_source *src,
		       uint64_t *ret_start) PA_CHECKED;

/* The name of the implementation of an indirect function that starts at vaddr (see ifunc.h). head
 * is where the object begins in memory; key tells this set of images from others, and is not 0. NULL
 * when there is none. */
const struct pa_object_name *pa_object_ifunc(struct pa_object *o, uint64_t vaddr,
					     const struct pa_elf_source *src, uint64_t head,
					     const struct pa_ifunc_images *images, uint64_t key,
					     struct pa_object_scratch *scratch);

/* Bytes that the cache holds, and how many it holds at most while nothing is pinned. */
size_t pa_object_cache_bytes(void);
#define PA_OBJECT_CACHE_MAX ((size_t)24 << 20)

/* Drops what is not pinned. */
void pa_object_cache_drop(void);

/* In a forked child, single-threaded: frees the lock; what the parent's threads had pinned stays. */
void pa_object_fork_child(void);

#endif
