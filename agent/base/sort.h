/* SPDX-License-Identifier: Apache-2.0
 * Sorting and searching. libc's qsort allocates (glibc < 2.37) and is not used in the host. */
#ifndef PA_BASE_SORT_H
#define PA_BASE_SORT_H

#include <stddef.h>
#include <stdint.h>

/* In place, O(n log n) worst case, not stable (heapsort). cmp as qsort_r's. Any thread. */
void pa_sort(void *items, size_t count, size_t size, int (*cmp)(const void *, const void *, void *),
	     void *arg);

#endif
