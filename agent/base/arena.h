/* SPDX-License-Identifier: Apache-2.0
 * All memory of the agent: mmap'ed, counted against one byte budget, never from malloc. */
#ifndef PA_BASE_ARENA_H
#define PA_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

/* Sets the budget of the whole agent in bytes (default 64 MiB). Any thread. */
void pa_mem_limit_set(size_t bytes);
size_t pa_mem_limit(void);

/* Bytes mapped now, and requests refused since start because of the budget. Any thread. */
size_t pa_mem_used(void);
uint64_t pa_mem_refused(void);

/* Zeroed pages of at least `bytes`; NULL when the budget or the address space is used up.
 * pa_pages_free takes the same size. Signal-safe (mmap only). */
void *pa_pages_alloc(size_t bytes) PA_CHECKED;
void pa_pages_free(void *pages, size_t bytes);

/* Returns the physical memory of the pages but keeps the range mapped, zeroed on next use. */
void pa_pages_reset(void *pages, size_t bytes);

/* A growable block: makes *buf (of *cap bytes, NULL/0 at first) at least `need` bytes, doubling.
 * New bytes are zero. 0 or -ENOMEM with *buf and *cap untouched. Free with pa_pages_free(buf, cap). */
int pa_pages_grow(void **buf, size_t *cap, size_t need) PA_CHECKED;

/* A bump allocator: many small objects with one lifetime. Not thread-safe; zero-initialise. */
struct pa_arena {
	struct pa_arena_chunk *chunks; /* newest first */
	size_t used;                   /* bytes used in the newest chunk */
};

/* Zeroed, 8-byte aligned; NULL when the budget is used up. */
void *pa_arena_alloc(struct pa_arena *a, size_t bytes) PA_CHECKED;

/* NUL-terminated copy of s[0..len). */
char *pa_arena_strndup(struct pa_arena *a, const char *s, size_t len) PA_CHECKED;

/* Bytes mapped by this arena. */
size_t pa_arena_size(const struct pa_arena *a);

/* Frees everything allocated from it; the arena can be used again. */
void pa_arena_done(struct pa_arena *a);

#endif
