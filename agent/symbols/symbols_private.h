/* SPDX-License-Identifier: Apache-2.0
 * What a view consists of; for its own files only. */
#ifndef PA_SYMBOLS_SYMBOLS_PRIVATE_H
#define PA_SYMBOLS_SYMBOLS_PRIVATE_H

#include "agent/base/arena.h"
#include "agent/symbols/image.h"
#include "agent/symbols/mapping.h"
#include "agent/symbols/perfmap.h"
#include "agent/symbols/symbols.h"

/* Modules that are gone, and where they were. Their images stand behind those that are there, in
 * mappings.images and in `images`, but mappings.image_count is without them. */
struct pa_past {
	struct pa_past_image *images;
	struct pa_region *regions; /* by address */
	size_t count;
};

struct pa_symbols {
	struct pa_arena arena;
	struct pa_mappings mappings;
	struct pa_image_symbols *images; /* beside mappings.images */
	struct pa_mapping *shown;        /* with room for PA_SYMBOLS_EXTRA */
	size_t shown_count;
	const char **kinds;           /* beside mappings.images: see pa_symbols_kind */
	const struct pa_region *last; /* most addresses lie where the one before did */
	struct pa_past past;
	struct pa_image_reader reader;
	struct pa_perfmap_view perfmaps;
	struct pa_ifunc_images ifunc_images; /* found at first need */
	uint64_t ifunc_key;                  /* 0: not yet */
};

/* The region that contains an address, NULL when none does. */
const struct pa_region *pa_symbols_region(struct pa_symbols *s, uint64_t addr);

/* How many modules of the past there may be. */
size_t pa_symbols_past_room(void);

/* Adds them to a view of what is there, with room for that many, and moves what is there to canonical
 * addresses. 0 or -ENOMEM. */
int pa_symbols_past_open(struct pa_symbols *s, size_t room) PA_CHECKED;
void pa_symbols_past_close(struct pa_symbols *s);

/* The region of the past that contains an address, with its image opened; NULL when none does. What
 * is there has other addresses. */
const struct pa_region *pa_symbols_past_region(struct pa_symbols *s, uint64_t addr);

static inline bool pa_symbols_is_past(const struct pa_symbols *s, const struct pa_region *r)
{
	return r->image >= s->mappings.image_count;
}

/* The index of its mapping, which is listed from now on. PA_NO_MAPPING: no memory. */
size_t pa_symbols_past_mapping(struct pa_symbols *s, const struct pa_region *r);

/* As pa_symbols_name. */
bool pa_symbols_past_name(struct pa_symbols *s, const struct pa_region *r, uint64_t addr,
			  struct pa_symbol *ret);

/* Mappings beside those of the process' memory: the kernel's and perf maps'. */
#define PA_SYMBOLS_EXTRA (1 + PA_PERFMAP_CHAIN)

/* The index of such a mapping, which is listed from now on. PA_NO_MAPPING: no memory. */
size_t pa_symbols_extra_mapping(struct pa_symbols *s, const char *file);

/* Names the function at ret->start, which has no symbol, if it is the implementation of an
 * indirect one. */
bool pa_symbols_indirect(struct pa_symbols *s, size_t image, struct pa_symbol *ret);

/* Names what a perf map knows, for an address that no symbol has a name for. */
bool pa_symbols_compiled(struct pa_symbols *s, uint64_t addr, struct pa_symbol *ret);

/* What code of an image that is in no file is called, whatever its address: "[anonymous code]",
 * "[memfd:NAME]", "[vdso]". NULL for files. */
const char *pa_symbols_kind(struct pa_symbols *s, size_t image);

#endif
