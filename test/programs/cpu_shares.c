/* SPDX-License-Identifier: Apache-2.0
 * cpu_shares.h in C. With VIA_QSORT the leaves run in a comparison function of qsort(), so that
 * frames of libc stand between them and the levels. */
#include "test/programs/cpu_shares.h"

#ifdef VIA_QSORT
static __thread struct work *current;

NOINLINE int compare(const void *a, const void *b);
NOINLINE int compare(const void *a, const void *b)
{
	const int *x = a, *y = b;

	run_leaf(current);
	return (*x > *y) - (*x < *y);
}

NOINLINE void level_40(struct work *w)
{
	int items[] = {5, 3, 8, 1, 7, 2};

	current = w;
	qsort(items, sizeof(items) / sizeof(items[0]), sizeof(items[0]), compare);
	w->sum += (uint64_t)items[0];
}
#else
NOINLINE void level_40(struct work *w)
{
	run_leaf(w);
	w->sum++;
}
#endif
