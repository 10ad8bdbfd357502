/* SPDX-License-Identifier: Apache-2.0
 * A bump allocator: chunks of pages in a list, the newest one being filled. */
#include <string.h>

#include "agent/base/arena.h"

#define CHUNK_BYTES ((size_t)64 << 10)

/* Larger objects get a chunk to themselves, so that the rest of the newest one is not wasted. */
#define LARGE_BYTES (CHUNK_BYTES / 4)

struct pa_arena_chunk {
	struct pa_arena_chunk *next;
	size_t size; /* as mapped */
};

static struct pa_arena_chunk *chunk_new(size_t size)
{
	struct pa_arena_chunk *c = pa_pages_alloc(size);

	if (c)
		c->size = size;
	return c;
}

/* Behind the newest chunk, which goes on being filled. */
static void *alloc_large(struct pa_arena *a, size_t bytes)
{
	struct pa_arena_chunk *c = chunk_new(sizeof(*c) + bytes);

	if (!c)
		return NULL;
	if (a->chunks) {
		c->next = a->chunks->next;
		a->chunks->next = c;
	} else {
		a->chunks = c;
		a->used = c->size;
	}
	return c + 1;
}

void *pa_arena_alloc(struct pa_arena *a, size_t bytes)
{
	struct pa_arena_chunk *c = a->chunks;
	char *object;

	if (bytes > PTRDIFF_MAX)
		return NULL;
	bytes = bytes ? (bytes + 7) & ~(size_t)7 : 8;
	if (!c || bytes > c->size - a->used) {
		if (bytes > LARGE_BYTES)
			return alloc_large(a, bytes);
		c = chunk_new(CHUNK_BYTES);
		if (!c)
			return NULL;
		c->next = a->chunks;
		a->chunks = c;
		a->used = sizeof(*c);
	}
	object = (char *)c + a->used;
	a->used += bytes;
	return object;
}

char *pa_arena_strndup(struct pa_arena *a, const char *s, size_t len)
{
	char *copy = len < PTRDIFF_MAX ? pa_arena_alloc(a, len + 1) : NULL;

	if (copy && len)
		memcpy(copy, s, len);
	return copy;
}

size_t pa_arena_size(const struct pa_arena *a)
{
	size_t size = 0;

	for (const struct pa_arena_chunk *c = a->chunks; c; c = c->next)
		size += c->size;
	return size;
}

void pa_arena_done(struct pa_arena *a)
{
	struct pa_arena_chunk *c = a->chunks;

	while (c) {
		struct pa_arena_chunk *next = c->next;

		pa_pages_free(c, c->size);
		c = next;
	}
	*a = (struct pa_arena){0};
}
