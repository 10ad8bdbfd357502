/* SPDX-License-Identifier: Apache-2.0
 * The table from 64-bit keys to 64-bit values. A free slot has key 0; key 0 itself lives in one
 * slot behind the others, whose `key` says whether it is there. */
#include <errno.h>

#include "agent/base/arena.h"
#include "agent/base/hash.h"

#define FIRST_CAPACITY 128

struct pa_map64_slot {
	uint64_t key, value;
};

/* The slot of the key, or the free one where it belongs. The table is never full. */
static struct pa_map64_slot *slot_of(const struct pa_map64 *m, uint64_t key)
{
	size_t mask = m->capacity - 1;
	size_t i = pa_hash_mix(key) & mask;

	if (!key)
		return &m->slots[m->capacity];
	while (m->slots[i].key && m->slots[i].key != key)
		i = (i + 1) & mask;
	return &m->slots[i];
}

static int grow(struct pa_map64 *m)
{
	struct pa_map64 grown = {
		.capacity = m->capacity ? m->capacity * 2 : FIRST_CAPACITY,
		.count = m->count,
	};

	grown.bytes = (grown.capacity + 1) * sizeof(*m->slots);
	grown.slots = pa_pages_alloc(grown.bytes);
	if (!grown.slots)
		return -ENOMEM;
	for (size_t i = 0; i < m->capacity; i++) {
		if (m->slots[i].key)
			*slot_of(&grown, m->slots[i].key) = m->slots[i];
	}
	if (m->capacity)
		grown.slots[grown.capacity] = m->slots[m->capacity];
	pa_pages_free(m->slots, m->bytes);
	*m = grown;
	return 0;
}

/* For one key more at a load of 70 %. */
static bool has_room(const struct pa_map64 *m)
{
	return m->count < m->capacity / 10 * 7;
}

int pa_map64_put(struct pa_map64 *m, uint64_t key, uint64_t value)
{
	struct pa_map64_slot *slot;

	if (!m->capacity) {
		int r = grow(m);

		if (r < 0)
			return r;
	}
	slot = slot_of(m, key);
	if (!slot->key) {
		if (!has_room(m)) {
			int r = grow(m);

			if (r < 0)
				return r;
			slot = slot_of(m, key);
		}
		slot->key = key ? key : 1;
		m->count++;
	}
	slot->value = value;
	return 0;
}

bool pa_map64_get(const struct pa_map64 *m, uint64_t key, uint64_t *ret_value)
{
	const struct pa_map64_slot *slot;

	if (!m->capacity)
		return false;
	slot = slot_of(m, key);
	if (!slot->key)
		return false;
	*ret_value = slot->value;
	return true;
}

void pa_map64_done(struct pa_map64 *m)
{
	pa_pages_free(m->slots, m->bytes);
	*m = (struct pa_map64){0};
}
