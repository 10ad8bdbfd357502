/* SPDX-License-Identifier: Apache-2.0
 * Pages from the kernel, each byte counted against the agent's budget. */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "agent/base/arena.h"
#include "agent/base/syscall.h"

#define DEFAULT_LIMIT ((size_t)64 << 20)

static _Atomic size_t mem_limit = DEFAULT_LIMIT;
static _Atomic size_t mem_used;
static _Atomic uint64_t mem_refused;

void pa_mem_limit_set(size_t bytes)
{
	atomic_store_explicit(&mem_limit, bytes, memory_order_relaxed);
}

size_t pa_mem_limit(void)
{
	return atomic_load_explicit(&mem_limit, memory_order_relaxed);
}

size_t pa_mem_used(void)
{
	return atomic_load_explicit(&mem_used, memory_order_relaxed);
}

uint64_t pa_mem_refused(void)
{
	return atomic_load_explicit(&mem_refused, memory_order_relaxed);
}

/* Whole pages for `bytes`, at least one; 0 when that is more than an address space. */
static size_t round_to_pages(size_t bytes)
{
	static _Atomic size_t cached;
	size_t page = atomic_load_explicit(&cached, memory_order_relaxed);

	if (!page) {
		page = getauxval(AT_PAGESZ);
		atomic_store_explicit(&cached, page, memory_order_relaxed);
	}
	if (bytes > PTRDIFF_MAX - page)
		return 0;
	return bytes ? (bytes + page - 1) & ~(page - 1) : page;
}

/* Relaxed: the counter guards no data. A failed exchange means that another thread succeeded. */
static bool charge(size_t bytes)
{
	size_t limit = atomic_load_explicit(&mem_limit, memory_order_relaxed);
	size_t used = atomic_load_explicit(&mem_used, memory_order_relaxed);

	do {
		if (used > limit || bytes > limit - used)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&mem_used, &used, used + bytes, memory_order_relaxed, memory_order_relaxed));
	return true;
}

static void uncharge(size_t bytes)
{
	atomic_fetch_sub_explicit(&mem_used, bytes, memory_order_relaxed);
}

static void count_refused(void)
{
	atomic_fetch_add_explicit(&mem_refused, 1, memory_order_relaxed);
}

/* Maps pages that are charged already; takes the charge back on failure. */
static void *map_charged(size_t size)
{
	long addr = pa_sys(SYS_mmap, 0, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (PA_SYS_FAILED(addr)) {
		uncharge(size);
		return NULL;
	}
	/* Where transparent huge pages are "always", the first byte written into a sparse table
	 * would otherwise make 2 MiB of the host resident. EINVAL without THP: nothing to avoid. */
	pa_sys(SYS_madvise, addr, size, MADV_NOHUGEPAGE);
	return (void *)addr;
}

void *pa_pages_alloc(size_t bytes)
{
	size_t size = round_to_pages(bytes);

	if (!size || !charge(size)) {
		count_refused();
		return NULL;
	}
	return map_charged(size);
}

void pa_pages_free(void *pages, size_t bytes)
{
	size_t size = round_to_pages(bytes);

	if (!pages || !size)
		return;
	/* Unmapping the middle of merged mappings needs one mapping more and is refused at
	 * vm.max_map_count: the range then stays mapped and stays counted, but costs no memory. */
	if (PA_SYS_FAILED(pa_sys(SYS_munmap, pages, size)))
		pa_sys(SYS_madvise, pages, size, MADV_DONTNEED);
	else
		uncharge(size);
}

void pa_pages_reset(void *pages, size_t bytes)
{
	size_t size = round_to_pages(bytes);

	if (!pages || !size)
		return;
	/* EINVAL for pages that the host's mlockall(MCL_FUTURE) locked. */
	if (PA_SYS_FAILED(pa_sys(SYS_madvise, pages, size, MADV_DONTNEED)))
		memset(pages, 0, size);
}

/* Twice the old size until `need` fits; 0 when there is no such number. */
static size_t grown_size(size_t old, size_t need)
{
	size_t size = round_to_pages(old);

	while (size && size < need)
		size = size <= PTRDIFF_MAX / 2 ? size * 2 : 0;
	return size;
}

/* Charges the growth from `old` to a size that holds `need`: doubled, or just enough when the
 * budget has no room for that. Returns the size, 0 when even that is refused. */
static size_t charge_growth(size_t old, size_t need)
{
	size_t size = grown_size(old, need);

	if (size && charge(size - old))
		return size;
	size = round_to_pages(need);
	return size && charge(size - old) ? size : 0;
}

int pa_pages_grow(void **buf, size_t *cap, size_t need)
{
	size_t old = *buf ? round_to_pages(*cap) : 0;
	size_t size;
	void *grown;

	if (*buf && need <= *cap)
		return 0;
	size = charge_growth(old, need);
	if (!size) {
		count_refused();
		return -ENOMEM;
	}
	if (*buf) {
		long addr = pa_sys(SYS_mremap, *buf, old, size, MREMAP_MAYMOVE);

		if (PA_SYS_FAILED(addr)) {
			uncharge(size - old);
			return -ENOMEM;
		}
		grown = (void *)addr;
	} else {
		grown = map_charged(size);
		if (!grown)
			return -ENOMEM;
	}
	*buf = grown;
	*cap = size;
	return 0;
}
