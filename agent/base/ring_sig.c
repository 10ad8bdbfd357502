/* SPDX-License-Identifier: Apache-2.0
 * The producers' side of a ring. */
#include "agent/base/ring.h"
#include "agent/base/ring_record.h"

/* Each failed attempt means that another producer got its record: bounds what a handler may wait
 * for in a storm. */
#define MAX_ATTEMPTS 1000

static struct pa_ring_header *header_at(struct pa_ring *r, uint64_t pos)
{
	return (struct pa_ring_header *)(void *)(r->data + (pos & (r->size - 1)));
}

static void publish(struct pa_ring_header *h, uint32_t state)
{
	atomic_store_explicit(&h->state, state, memory_order_release);
}

/* Takes `extent` contiguous bytes plus what is left before the end when they do not fit there.
 * Moves head from *ret_start, pad included; false when full. */
static int take(struct pa_ring *r, uint64_t extent, uint64_t *ret_start, uint64_t *ret_pad)
{
	for (int i = 0; i < MAX_ATTEMPTS; i++) {
		/* Acquire: tail is read after head, so that a full ring was really full. */
		uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
		/* Acquire: pairs with the release in pa_ring_pop; the bytes given back are zero. */
		uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
		uint64_t room = r->size - (head & (r->size - 1));
		uint64_t pad = extent > room ? room : 0;

		if (tail > head)
			continue; /* head is an old value; the exchange would fail */
		if (head - tail + pad + extent > r->size)
			return 0;
		/* Relaxed: records are published by their state, head only shares out space. It
		 * never returns to an old value, so success means that it did not move. */
		if (atomic_compare_exchange_strong_explicit(&r->head, &head, head + pad + extent,
							    memory_order_relaxed,
							    memory_order_relaxed)) {
			*ret_start = head;
			*ret_pad = pad;
			return 1;
		}
	}
	return 0;
}

void *pa_ring_reserve(struct pa_ring *r, uint32_t bytes)
{
	struct pa_ring_header *h;
	uint64_t start, pad;

	if (bytes > r->size / 4 || !take(r, pa_ring_extent(bytes), &start, &pad)) {
		atomic_fetch_add_explicit(&r->dropped, 1, memory_order_relaxed);
		return NULL;
	}
	if (pad) {
		h = header_at(r, start);
		h->bytes = (uint32_t)(pad - sizeof(*h));
		publish(h, PA_RING_SKIP);
	}
	h = header_at(r, start + pad);
	h->bytes = bytes;
	return h + 1;
}

void pa_ring_commit(void *record)
{
	publish((struct pa_ring_header *)record - 1, PA_RING_RECORD);
}
