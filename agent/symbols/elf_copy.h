/* SPDX-License-Identifier: Apache-2.0
 * A copy of parts of a file, or of an image in memory, that serves as a source in its place. What
 * it has to hold is found out by trying: everything that is read through a recording source is in
 * the copy. */
#ifndef PA_SYMBOLS_ELF_COPY_H
#define PA_SYMBOLS_ELF_COPY_H

#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/symbols/elf.h"

#define PA_ELF_COPY_PARTS 96

struct pa_elf_parts {
	const struct pa_elf_source *from;
	size_t max;   /* most bytes */
	size_t bytes; /* of all parts */
	size_t count;
	int failed; /* -EFBIG: more than `max`, or too scattered; nothing can be read then */
	struct {
		uint64_t pos, end;
	} at[PA_ELF_COPY_PARTS + 1]; /* by position, apart from each other */
};

/* A source that reads from r->from and notes what was read, for as long as *r is there. */
struct pa_elf_source pa_elf_parts_source(struct pa_elf_parts *r);

/* Adds what has not been read. Positions behind the end do not count. */
void pa_elf_parts_add(struct pa_elf_parts *r, uint64_t pos, uint64_t len);

struct pa_elf_copy;

/* Reads all parts once more. 0, -ENOMEM, -EFBIG or an error of the source. */
int pa_elf_copy_new(const struct pa_elf_parts *r, struct pa_elf_copy **ret) PA_CHECKED;
void pa_elf_copy_free(struct pa_elf_copy *c); /* NULL is fine */
size_t pa_elf_copy_bytes(const struct pa_elf_copy *c);

/* Positions are those of the original; what is not in the copy gives -EIO. */
struct pa_elf_source pa_elf_copy_source(const struct pa_elf_copy *c);

#endif
