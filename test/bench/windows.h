/* SPDX-License-Identifier: Apache-2.0
 * The cost of equal pieces of work, over time. A program logs each piece with the time at which
 * it ended; the driver decides later, by CLOCK_MONOTONIC, which time was spent under a profile,
 * and asks on standard input:
 *
 *	FROM TO         ->  {"pieces": N, "mean_ns": X, "excess": E}
 *	(end of file)       the program ends
 *
 * mean_ns is the mean cost of a piece that lies in the window. excess is what single events
 * (ticks, signals) took, as a share of the work: each piece is compared with the lower quartile of
 * its neighbours, so the drifting speed of a shared machine cancels, and counts at most EVENT_MAX
 * above it, so that a few long interruptions do not drown what is looked for. */
#ifndef PA_TEST_WINDOWS_H
#define PA_TEST_WINDOWS_H

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "test/bench/bench.h"

#define PIECES_MAX (8u << 20) /* of one thread; more are not logged */
#define NEIGHBOURS 16
#define EVENT_MAX  60000 /* ns; a sample takes a half of this at most */

struct piece {
	uint64_t end_ns; /* CLOCK_MONOTONIC */
	uint64_t cost_ns;
};

struct piece_log {
	struct piece *pieces; /* mapped, so that only what is used takes memory */
	_Atomic uint32_t count;
};

struct window_sum {
	uint64_t pieces, cost_ns;
	double excess_ns, base_ns; /* of whole groups of neighbours */
};

static inline void piece_log_init(struct piece_log *log)
{
	log->pieces = mmap(NULL, PIECES_MAX * sizeof(*log->pieces), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (log->pieces == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
}

static inline void piece_log_add(struct piece_log *log, uint64_t end_ns, uint64_t cost_ns)
{
	uint32_t n = atomic_load_explicit(&log->count, memory_order_relaxed);

	if (n == PIECES_MAX)
		return;
	log->pieces[n].end_ns = end_ns;
	log->pieces[n].cost_ns = cost_ns;
	atomic_store_explicit(&log->count, n + 1, memory_order_release);
}

static inline int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static inline void group_add(const struct piece *p, struct window_sum *sum)
{
	uint64_t costs[NEIGHBOURS], base;

	for (int i = 0; i < NEIGHBOURS; i++)
		costs[i] = p[i].cost_ns;
	qsort(costs, NEIGHBOURS, sizeof(*costs), compare_u64);
	base = costs[NEIGHBOURS / 4];
	for (int i = 0; i < NEIGHBOURS; i++) {
		double excess = (double)costs[i] - (double)base;

		sum->excess_ns += excess > EVENT_MAX ? EVENT_MAX : excess;
	}
	sum->base_ns += (double)base * NEIGHBOURS;
}

/* First piece that ended at or behind `at`. */
static inline uint32_t piece_find(const struct piece_log *log, uint64_t at)
{
	uint32_t low = 0, high = atomic_load_explicit(&log->count, memory_order_acquire);

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (log->pieces[middle].end_ns < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static inline void window_add(const struct piece_log *log, uint64_t from, uint64_t to,
			      struct window_sum *sum)
{
	uint32_t first = piece_find(log, from) + 1, end = piece_find(log, to);

	for (uint32_t i = first; i < end; i++) {
		sum->pieces++;
		sum->cost_ns += log->pieces[i].cost_ns;
	}
	for (uint32_t i = first; i + NEIGHBOURS <= end; i += NEIGHBOURS)
		group_add(&log->pieces[i], sum);
}

/* Answers the driver until it closes standard input. Lines that are no window go to other, which prints
 * the answer. */
static inline void windows_answer(const struct piece_log *logs, int count,
				  void (*other)(const char *line))
{
	char line[128];
	uint64_t from, to;

	while (fgets(line, sizeof(line), stdin)) {
		struct window_sum sum = {0};

		if (sscanf(line, "%" SCNu64 " %" SCNu64, &from, &to) != 2) {
			other(line);
			fflush(stdout);
			continue;
		}
		for (int i = 0; i < count; i++)
			window_add(&logs[i], from, to, &sum);
		printf("{\"pieces\": %" PRIu64 ", \"mean_ns\": %.3f, \"excess\": %.8f}\n",
		       sum.pieces, sum.pieces ? (double)sum.cost_ns / (double)sum.pieces : 0,
		       sum.base_ns > 0 ? sum.excess_ns / sum.base_ns : 0);
		fflush(stdout);
	}
}

#endif
