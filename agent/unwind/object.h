/* SPDX-License-Identifier: Apache-2.0
 * The ELF objects of this process, found in /proc/self/maps and in their own headers, and
 * compared with what the dynamic loader says. */
#ifndef PA_UNWIND_OBJECT_H
#define PA_UNWIND_OBJECT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/compiler.h"

struct dl_find_object;
struct pa_map;
struct pa_table;

/* What _dl_find_object (glibc 2.35) says about an address; all zero when it knows no object
 * there. */
struct pa_loader_record {
	uint64_t map_start, map_end, link_map, eh_frame_hdr;
};

struct pa_object {
	uint64_t lo, hi;           /* addresses of all its segments, hi exclusive */
	uint64_t code_lo, code_hi; /* of the executable ones */
	uint64_t header;           /* address of the ELF header */
	uint64_t phdrs;            /* of the program headers, 0: in the first page as usual */
	uint64_t bias;             /* address - p_vaddr */
	uint64_t eh_frame_hdr;     /* address, 0: has none */
	uint64_t eh_frame_hdr_len;
	uint64_t inode;
	uint32_t dev;
	uint64_t header_hash;           /* of its first page: program headers, build id */
	struct pa_loader_record loader; /* for code_lo */
	/* Two objects of equal layout that follow each other at one address, like two versions of a
	 * plugin, differ in this word: part of the build id, or of .eh_frame_hdr. probe is its
	 * address, 0 when there is neither. */
	uint64_t probe, probe_value;
	bool has_build_id; /* which then is the probe, and part of header_hash */
	bool permanent; /* loaded at the start: glibc never unloads it (its l_type is lt_library) */
	bool split; /* the loader has several ranges for it (gaps between segments, as in node) */
};

/* _dl_find_object; NULL: objects change unnoticed until the next update. */
typedef int (*pa_find_object_fn)(void *, struct dl_find_object *);
extern _Atomic(pa_find_object_fn) pa_find_object;

/* Remembers which objects are loaded now as those that are permanent. Constructor only: nothing may
 * be opened or closed meanwhile. */
void pa_object_init(void);

/* Whether what is in memory where an address of *o belongs is still *o. One or two system calls,
 * none for a permanent object. Signal-safe. */
bool pa_object_present(const struct pa_object *o, uint64_t pc);

/* What the loader knows about pc. Lock-free and Signal-safe (glibc manual, "Dynamic Linker
 * Introspection": AS-Safe). */
struct pa_loader_record pa_object_loader(uint64_t pc);

/* Whether `now`, asked for an address of *o, still means *o. */
static inline bool pa_object_is(const struct pa_object *o, const struct pa_loader_record *now)
{
	const struct pa_loader_record *was = &o->loader;

	return now->link_map == was->link_map && now->eh_frame_hdr == was->eh_frame_hdr &&
	       (o->split || (now->map_start == was->map_start && now->map_end == was->map_end));
}

/* Room for the first page of an object and program headers that are not in it. */
#define PA_OBJECT_HEADER_MAX (4096 + 64 * 56)

/* Copies the first page of an object, or what is mapped of it. Program headers that are elsewhere,
 * at `phdrs`, follow, and the copy's ELF header says so. Returns the length or -EFAULT. */
ssize_t pa_object_header(uint64_t start, uint64_t phdrs, uint8_t *ret_bytes) PA_CHECKED;

/* Layout from the first `len` bytes of an object whose first mapping is at `start`; the program
 * headers must be among them. Leaves dev, inode, header_hash and loader alone. 0 or -ENOEXEC. */
int pa_object_layout(const uint8_t *image, size_t len, uint64_t start,
		     struct pa_object *o) PA_CHECKED;

/* The object that begins at maps[i]: 0, -ENOEXEC when none does (or its code is not mapped where
 * its headers say), or -EFAULT when the memory is gone. Agent thread only. */
int pa_object_read(const struct pa_map *maps, size_t count, size_t i,
		   struct pa_object *ret) PA_CHECKED;

/* Whether the loader knows the code at o->lo but its headers cannot be read, as in a program that
 * unpacked itself; sets o->loader. Agent thread only. */
bool pa_object_bare(struct pa_object *o);

/* Whether both describe the same loaded object, so that its table can be kept. */
bool pa_object_same(const struct pa_object *a, const struct pa_object *b);

/* As pa_object_present, and compares all of the header. Agent thread only. */
bool pa_object_still(const struct pa_object *o);

/* Where .eh_frame begins, according to the .eh_frame_hdr at hand: 0 or -ENOEXEC. */
int pa_object_eh_frame(const uint8_t *hdr, size_t len, uint64_t hdr_addr,
		       uint64_t *ret_addr) PA_CHECKED;

/* Copies the object's .eh_frame out of its memory and compiles it. 0, -ENOEXEC when it has none,
 * -EFAULT when the memory is gone, -EAGAIN when it is another object's now, -ENOMEM. Agent thread
 * only. */
int pa_object_compile(const struct pa_object *o, struct pa_table **ret) PA_CHECKED;

#endif
