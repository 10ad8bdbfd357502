/* SPDX-License-Identifier: Apache-2.0
 * The consumer's side of a ring. */
#include <errno.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/ring.h"
#include "agent/base/ring_record.h"

int pa_ring_init(struct pa_ring *r, size_t size)
{
	void *data;

	if (size < 4096 || size & (size - 1))
		return -EINVAL;
	data = pa_pages_alloc(size);
	if (!data)
		return -ENOMEM;
	*r = (struct pa_ring){.data = data, .size = size};
	return 0;
}

void pa_ring_done(struct pa_ring *r)
{
	pa_pages_free(r->data, r->size);
	*r = (struct pa_ring){0};
}

/* The record at tail and its state; NULL when it is not committed. */
static struct pa_ring_header *oldest(struct pa_ring *r, uint32_t *ret_state)
{
	/* Relaxed: only this side writes tail. */
	uint64_t pos = atomic_load_explicit(&r->tail, memory_order_relaxed) & (r->size - 1);
	struct pa_ring_header *h = (struct pa_ring_header *)(void *)(r->data + pos);
	/* Acquire: pairs with the release of the producer's publish. */
	uint32_t state = atomic_load_explicit(&h->state, memory_order_acquire);

	/* The length is checked because the host may have scribbled over it: the ring then stays
	 * as it is, fills up and counts what it drops. */
	if (state == PA_RING_OPEN || pa_ring_extent(h->bytes) > r->size - pos)
		return NULL;
	*ret_state = state;
	return h;
}

/* Clears the record, then gives its bytes back: release, so that producers who see the new tail
 * see the zeros. A skip record has no payload that anybody wrote. */
static void give_back(struct pa_ring *r, struct pa_ring_header *h, uint32_t state)
{
	uint64_t extent = pa_ring_extent(h->bytes);
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	memset(h, 0, state == PA_RING_SKIP ? sizeof(*h) : extent);
	atomic_store_explicit(&r->tail, tail + extent, memory_order_release);
}

void *pa_ring_peek(struct pa_ring *r, uint32_t *ret_bytes)
{
	uint32_t state;
	struct pa_ring_header *h = oldest(r, &state);

	if (h && state == PA_RING_SKIP) {
		give_back(r, h, state);
		h = oldest(r, &state);
	}
	if (!h || state != PA_RING_RECORD)
		return NULL;
	*ret_bytes = h->bytes;
	return h + 1;
}

void pa_ring_pop(struct pa_ring *r)
{
	uint32_t bytes;
	struct pa_ring_header *record = pa_ring_peek(r, &bytes);

	if (record)
		give_back(r, record - 1, PA_RING_RECORD);
}
