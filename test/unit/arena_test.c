/* SPDX-License-Identifier: Apache-2.0
 * Pages, the byte budget and the bump allocator. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "test/tap.h"

#define PAGE    ((size_t)sysconf(_SC_PAGESIZE))
#define DEFAULT ((size_t)64 << 20)

static bool all_bytes(const void *p, size_t len, unsigned char value)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < len; i++) {
		if (b[i] != value)
			return false;
	}
	return true;
}

static void test_pages(void)
{
	size_t used = pa_mem_used();
	char *p = pa_pages_alloc(PAGE + 1);

	ok(p && !((uintptr_t)p % PAGE), "pages are aligned");
	ok(p && all_bytes(p, 2 * PAGE, 0), "pages are zero to their end");
	is_int(pa_mem_used() - used, 2 * PAGE, "whole pages are counted");
	memset(p, 1, 2 * PAGE);
	pa_pages_reset(p, PAGE + 1);
	ok(all_bytes(p, 2 * PAGE, 0), "reset pages read as zero");
	is_int(pa_mem_used() - used, 2 * PAGE, "reset pages stay counted");
	pa_pages_free(p, PAGE + 1);
	is_int(pa_mem_used(), used, "freed pages are not counted");
	pa_pages_free(NULL, PAGE);
	is_int(pa_mem_used(), used, "freeing NULL does nothing");
	p = pa_pages_alloc(0);
	ok(p, "zero bytes are one page");
	pa_pages_free(p, 0);
	is_int(pa_mem_used(), used, "and are freed as one");
}

/* As in a host that called mlockall(MCL_FUTURE), whose pages madvise does not drop. */
static void test_reset_locked(void)
{
	char *p = pa_pages_alloc(PAGE);
	int locked = mlock(p, PAGE);

	memset(p, 1, PAGE);
	pa_pages_reset(p, PAGE);
	ok(all_bytes(p, PAGE, 0), "reset zeroes %s pages", locked == 0 ? "locked" : "(unlockable)");
	pa_pages_free(p, PAGE);
}

/* Transparent huge pages would make 2 MiB of it resident at the first touch. */
static void test_resident(void)
{
	size_t size = 8 << 20, resident = 0;
	static unsigned char vec[(8 << 20) / 4096];
	char *p = pa_pages_alloc(size);

	p[3 << 20] = 1;
	if (mincore(p, size, vec) == 0) {
		for (size_t i = 0; i < size / PAGE; i++)
			resident += vec[i] & 1;
	}
	is_int(resident, 1, "touching one byte makes one page resident");
	pa_pages_free(p, size);
}

static void test_budget(void)
{
	size_t used = pa_mem_used();
	uint64_t refused = pa_mem_refused();
	char *p;

	pa_mem_limit_set(used + 4 * PAGE);
	errno = 1234;
	ok(!pa_pages_alloc(4 * PAGE + 1), "a byte above the budget is refused");
	is_int(pa_mem_used(), used, "a refused request is not counted as used");
	is_int(pa_mem_refused() - refused, 1, "but as refused");
	ok(!pa_pages_alloc(SIZE_MAX) && !pa_pages_alloc(SIZE_MAX - PAGE) &&
		   !pa_pages_alloc((size_t)PTRDIFF_MAX + 1),
	   "sizes that overflow are refused");
	is_int(errno, 1234, "errno is kept");
	p = pa_pages_alloc(4 * PAGE);
	ok(p, "the whole budget can be used");
	pa_mem_limit_set(0);
	ok(!pa_pages_alloc(1), "a budget below what is used refuses");
	pa_pages_free(p, 4 * PAGE);
	pa_mem_limit_set((size_t)1 << 50);
	ok(!pa_pages_alloc((size_t)1 << 49), "more than the address space is refused");
	is_int(pa_mem_used(), used, "and its charge taken back");
	pa_mem_limit_set(DEFAULT);
}

static void test_grow(void)
{
	void *buf = NULL;
	size_t cap = 0, used = pa_mem_used();
	char *b;

	is_int(pa_pages_grow(&buf, &cap, 1), 0, "grows from nothing");
	is_int(cap, PAGE, "to one page");
	memset(buf, 7, cap);
	is_int(pa_pages_grow(&buf, &cap, PAGE), 0, "enough room already");
	is_int(cap, PAGE, "changes nothing");
	is_int(pa_pages_grow(&buf, &cap, 5 * PAGE), 0, "grows further");
	is_int(cap, 8 * PAGE, "by doubling");
	b = buf;
	ok(all_bytes(b, PAGE, 7) && all_bytes(b + PAGE, 7 * PAGE, 0),
	   "old bytes are kept, new ones zero");
	is_int(pa_mem_used() - used, 8 * PAGE, "the size is counted once");

	pa_mem_limit_set(used + 10 * PAGE);
	is_int(pa_pages_grow(&buf, &cap, 9 * PAGE), 0, "what is needed fits");
	is_int(cap, 9 * PAGE, "where doubling would not");
	b = buf;
	memset(b, 9, cap);
	is_int(pa_pages_grow(&buf, &cap, 11 * PAGE), -ENOMEM, "above the budget");
	ok(buf == b && cap == 9 * PAGE && all_bytes(b, cap, 9), "leaves the block as it was");
	is_int(pa_pages_grow(&buf, &cap, SIZE_MAX), -ENOMEM, "an absurd size");
	ok(buf == b && cap == 9 * PAGE, "leaves the block as it was, too");
	is_int(pa_mem_used() - used, 9 * PAGE, "failures are not counted as used");
	pa_pages_free(buf, cap);
	is_int(pa_mem_used(), used, "all is given back");

	buf = NULL;
	cap = 0;
	is_int(pa_pages_grow(&buf, &cap, 11 * PAGE), -ENOMEM,
	       "nothing cannot grow that far either");
	ok(!buf && !cap, "and stays nothing");
	pa_mem_limit_set(DEFAULT);
}

static void test_arena(void)
{
	struct pa_arena a = {0};
	size_t used = pa_mem_used(), size;
	bool aligned = true, zero = true;
	char *first, *s;

	is_int(pa_arena_size(&a), 0, "an empty arena maps nothing");
	first = pa_arena_alloc(&a, 1);
	memset(first, 1, 1);
	for (size_t i = 0; i < 20000; i++) {
		size_t n = i % 100;
		char *p = pa_arena_alloc(&a, n);

		aligned = aligned && p && !((uintptr_t)p % 8);
		zero = zero && p && all_bytes(p, n, 0);
		memset(p, 255, n);
	}
	ok(aligned, "objects are aligned");
	ok(zero, "objects are zero and do not overlap");
	is_int(*first, 1, "the oldest is still there");
	is_int(pa_arena_size(&a), pa_mem_used() - used, "the arena knows its size");

	size = pa_arena_size(&a);
	first = pa_arena_alloc(&a, 8);
	s = pa_arena_alloc(&a, 1 << 20);
	ok(s && all_bytes(s, 1 << 20, 0), "an object larger than a chunk");
	s = pa_arena_alloc(&a, 8);
	ok(s == first + 8, "does not end the chunk that is being filled");
	ok(pa_arena_size(&a) - size >= 1 << 20, "and is part of the size");

	s = pa_arena_strndup(&a, "profile", 4);
	is_str(s, "prof", "strndup cuts and terminates");
	is_str(pa_arena_strndup(&a, NULL, 0), "", "strndup of nothing");
	pa_arena_done(&a);
	is_int(pa_mem_used(), used, "done gives everything back");
	is_int(pa_arena_size(&a), 0, "and leaves an empty arena");
	s = pa_arena_alloc(&a, (size_t)100 << 10);
	memset(s, 1, (size_t)100 << 10);
	s = pa_arena_alloc(&a, 24);
	ok(s && all_bytes(s, 24, 0), "which can be used again, large objects first");
	pa_arena_done(&a);
}

static void test_arena_budget(void)
{
	struct pa_arena a = {0};
	char *p = pa_arena_alloc(&a, 16);
	size_t count = 0, size;

	pa_mem_limit_set(pa_mem_used());
	while (pa_arena_alloc(&a, 1024) && count < 1000)
		count++;
	ok(count > 50 && count < 64, "small objects fill the chunk (%zu)", count);
	size = pa_arena_size(&a);
	ok(!pa_arena_alloc(&a, 1 << 20), "a large one is refused");
	ok(!pa_arena_alloc(&a, SIZE_MAX) && !pa_arena_strndup(&a, "x", SIZE_MAX),
	   "sizes that overflow are refused");
	is_int(pa_arena_size(&a), size, "a refusal leaves the arena as it was");
	ok(pa_arena_alloc(&a, 16) > (void *)p, "which still has room for a small one");
	pa_mem_limit_set(DEFAULT);
	ok(pa_arena_alloc(&a, 1024), "and works again when there is memory");
	pa_arena_done(&a);
}

static _Atomic bool above_limit;

static void *churn(void *arg)
{
	size_t limit = *(size_t *)arg;

	for (int i = 0; i < 3000; i++) {
		size_t size = PAGE * (size_t)(1 + i % 5);
		void *p = pa_pages_alloc(size);

		if (pa_mem_used() > limit)
			above_limit = true;
		pa_pages_free(p, size);
	}
	return NULL;
}

static void test_threads(void)
{
	size_t used = pa_mem_used(), limit = used + 6 * PAGE;
	pthread_t threads[4];

	pa_mem_limit_set(limit);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, churn, &limit);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ok(!above_limit, "the budget holds at every moment");
	is_int(pa_mem_used(), used, "nothing is lost from the count");
	pa_mem_limit_set(DEFAULT);
}

int main(void)
{
	test_pages();
	test_reset_locked();
	test_resident();
	test_budget();
	test_grow();
	test_arena();
	test_arena_budget();
	test_threads();
	return tap_done();
}
