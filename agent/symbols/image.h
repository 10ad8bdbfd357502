/* SPDX-License-Identifier: Apache-2.0
 * Which object is behind a mapping: the file if it is still the one that was mapped, the image in
 * memory otherwise; never another file that took its place. Agent thread only. */
#ifndef PA_SYMBOLS_IMAGE_H
#define PA_SYMBOLS_IMAGE_H

#include "agent/base/arena.h"
#include "agent/symbols/kept.h"
#include "agent/symbols/mapping.h"
#include "agent/symbols/object.h"

struct pa_image_symbols {
	struct pa_object *object; /* pinned; NULL: nothing but addresses */
	const char *path;         /* to read the object from; NULL: memory */
	const char *build_id;
	uint64_t bias;
	bool ready, failed;     /* symbol table read; never to be */
	struct pa_lines *lines; /* pinned; NULL: not asked for yet */
	struct pa_kept *kept;   /* pinned; what the object reads from, or NULL */
};

/* One file at a time is held open while names are read. */
struct pa_image_reader {
	const struct pa_image_symbols *open; /* whose file fd is */
	int fd;                              /* -1: none */
	struct pa_object_scratch *scratch;
};

/* Finds the object. What cannot be found leaves object NULL and build_id "". */
void pa_image_open(struct pa_image_symbols *ret, const struct pa_image *image, struct pa_arena *a);
void pa_image_close(struct pa_image_symbols *s);

/* The same for the image of a module that is not mapped any more: its file if that is still the same,
 * or else what was kept of it. Takes over the pin on `kept` (may be NULL). */
void pa_image_open_gone(struct pa_image_symbols *ret, const struct pa_image *image,
			const struct pa_module *m, struct pa_kept *kept);

/* Reads from s->kept from now on what could only be read from memory, which has fewer names. */
void pa_image_use_copy(struct pa_image_symbols *s);

/* The image's file, open until the reader is used for another one; -1: it is in memory only, or
 * another file has taken its place. */
int pa_image_file(const struct pa_image_symbols *s, struct pa_image_reader *reader);

/* The function at an address of the image, NULL when unknown. The symbol table is read at the first
 * call. Valid while the object is pinned. */
const struct pa_object_name *pa_image_name(struct pa_image_symbols *s, const struct pa_image *image,
					   uint64_t addr, struct pa_image_reader *reader);

/* Start of the function at an address of the image that pa_image_name has no name for; 0 when
 * unknown. */
uint64_t pa_image_function(struct pa_image_symbols *s, uint64_t addr,
			   struct pa_image_reader *reader);

/* The name of an indirect function's implementation that starts at `start`, the result of
 * pa_image_function. images are all those of the process, and key tells them from others. NULL when
 * it is none. */
const struct pa_object_name *pa_image_ifunc(struct pa_image_symbols *s,
					    const struct pa_image *image, uint64_t start,
					    const struct pa_ifunc_images *images, uint64_t key,
					    struct pa_image_reader *reader);

/* Closes the file and frees the demangler. */
void pa_image_reader_done(struct pa_image_reader *reader);

/* Build id of the running kernel, "" when unknown. */
const char *pa_image_kernel_build_id(struct pa_arena *a);

#endif
