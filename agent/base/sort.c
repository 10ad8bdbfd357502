/* SPDX-License-Identifier: Apache-2.0
 * Heapsort, the bottom-up kind (I. Wegener, "Bottom-up heapsort", 1993): the way down follows the
 * larger children without looking at the element, which then looks for its place from the leaf
 * upwards; about n log n comparisons instead of twice as many. */
#include <string.h>

#include "agent/base/compiler.h"
#include "agent/base/sort.h"

struct heap {
	char *items;
	size_t size; /* of an item */
	int (*cmp)(const void *, const void *, void *);
	void *arg;
};

static void *item(const struct heap *h, size_t i)
{
	return h->items + i * h->size;
}

static int compare(const struct heap *h, size_t a, size_t b)
{
	return h->cmp(item(h, a), item(h, b), h->arg);
}

static inline void swap_bytes(char *a, char *b, size_t n)
{
	char t[64];

	memcpy(t, a, n);
	memcpy(a, b, n);
	memcpy(b, t, n);
}

static void swap(const struct heap *h, size_t i, size_t j)
{
	char *a = item(h, i), *b = item(h, j);
	size_t left = h->size;

	switch (left) { /* constant sizes become register moves */
	case 8:
		swap_bytes(a, b, 8);
		return;
	case 16:
		swap_bytes(a, b, 16);
		return;
	case 24:
		swap_bytes(a, b, 24);
		return;
	default:
		break;
	}
	while (left) {
		size_t n = PA_MIN(left, 64);

		swap_bytes(a, b, n);
		a += n;
		b += n;
		left -= n;
	}
}

/* Puts item `root` where it belongs among its descendants below `count`. */
static void sift(const struct heap *h, size_t root, size_t count)
{
	size_t place = root, i;

	while (2 * place + 2 < count) {
		size_t left = 2 * place + 1;

		place = compare(h, left, left + 1) > 0 ? left : left + 1;
	}
	if (2 * place + 1 < count)
		place = 2 * place + 1;
	while (place != root && compare(h, root, place) >= 0)
		place = (place - 1) / 2;
	/* Everything between moves up by one generation. */
	for (i = place; i != root;) {
		i = (i - 1) / 2;
		swap(h, i, place);
	}
}

void pa_sort(void *items, size_t count, size_t size, int (*cmp)(const void *, const void *, void *),
	     void *arg)
{
	struct heap h = {.items = items, .size = size, .cmp = cmp, .arg = arg};

	for (size_t i = count / 2; i-- > 0;)
		sift(&h, i, count);
	for (size_t last = count; last-- > 1;) {
		swap(&h, 0, last);
		sift(&h, 0, last);
	}
}
