/* SPDX-License-Identifier: Apache-2.0
 * How long it takes to turn 100 000 distinct stacks of 20 frames into a pprof file with symbols:
 * adding them up, encoding cold (symbol tables not read yet) and warm. Prints one row a figure,
 * the median of the rounds; CPU time beside it, because that does not depend on who else runs.
 *
 *	encode_bench [ROUNDS] [FILE]	FILE gets the last profile */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/sink.h"
#include "agent/core/profile.h"
#include "agent/symbols/symbols.h"
#include "exporters/pprof.h"
#include "test/bench/bench.h"

#define STACKS     100000
#define DEPTH      20
#define ADDRESSES  20000 /* distinct ones; 100 thousand stacks of nginx have fewer */
#define ROUNDS_MAX 101

static uint64_t addresses[ADDRESSES];

static int write_count(struct pa_sink *s, const void *data, size_t len)
{
	(void)s;
	(void)data;
	(void)len;
	return 0;
}

struct file_sink {
	struct pa_sink sink;
	int fd;
};

static int write_file(struct pa_sink *s, const void *data, size_t len)
{
	return write(((struct file_sink *)s)->fd, data, len) == (ssize_t)len ? 0 : -1;
}

static uint64_t random_next(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* Spread over the code of this process: our own, libc's and ld.so's. */
static void choose_addresses(void)
{
	struct pa_symbols *s;
	const struct pa_mapping *m;
	size_t count, largest = 0;

	if (pa_symbols_open(&s) != 0)
		exit(1);
	m = pa_symbols_mappings(s, &count);
	for (size_t i = 0; i < count; i++) {
		if (m[i].limit - m[i].start > m[largest].limit - m[largest].start)
			largest = i;
	}
	for (size_t i = 0; i < ADDRESSES; i++) {
		const struct pa_mapping *from = i % 4 ? &m[largest] : &m[i / 4 % count];

		addresses[i] = from->start + random_next() % (from->limit - from->start);
	}
	pa_symbols_close(s);
}

/* Like real ones: few roots, many leaves. */
static struct pa_profile *build(void)
{
	struct pa_profile *p = pa_profile_new("profile");

	if (!p)
		exit(1);
	p->types[0] = (struct pa_value_type){"samples", "count"};
	p->types[1] = (struct pa_value_type){"cpu", "nanoseconds"};
	p->type_count = 2;
	p->period_type = p->types[1];
	p->period = 10000000;
	for (uint64_t i = 0; i < STACKS; i++) {
		int64_t values[] = {1 + (int64_t)(i % 7), 10000000 * (1 + (int64_t)(i % 7))};
		uint64_t frames[DEPTH];

		for (uint64_t d = 0; d < DEPTH; d++)
			frames[d] = addresses[(random_next() % ADDRESSES) >> (d * 2 / 3)];
		pa_profile_add(p, frames, DEPTH, values);
	}
	if (pa_profile_count(p) != STACKS)
		fprintf(stderr, "only %zu distinct stacks\n", pa_profile_count(p));
	return p;
}

struct took {
	uint64_t wall, cpu;
};

static struct took encode(const struct pa_profile *p, struct pa_sink *out)
{
	struct took before = {pa_clock_mono(), clock_ns(CLOCK_THREAD_CPUTIME_ID)};
	const struct pa_pprof_options options = {.symbolize = PA_PPROF_SYMBOLIZE_NAMES};
	struct pa_pprof *e;

	if (pa_pprof_new(p, &options, &e) != 0 || pa_pprof_write(e, out) != 0) {
		fprintf(stderr, "encoding failed\n");
		exit(1);
	}
	pa_pprof_free(e);
	return (struct took){pa_clock_mono() - before.wall,
			     clock_ns(CLOCK_THREAD_CPUTIME_ID) - before.cpu};
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void row(const char *what, uint64_t *ns, int count)
{
	qsort(ns, (size_t)count, sizeof(*ns), compare);
	printf("%-44s %8.1f ms  (best %.1f, of %d)\n", what, (double)ns[count / 2] / 1e6,
	       (double)ns[0] / 1e6, count);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)number(argv[1], ROUNDS_MAX) : 9;
	uint64_t add[ROUNDS_MAX], warm[ROUNDS_MAX], warm_cpu[ROUNDS_MAX];
	struct pa_sink out = {.write = write_count};
	struct pa_profile *p = NULL;
	struct took took;

	choose_addresses();
	for (int i = 0; i < rounds; i++) {
		uint64_t before = pa_clock_mono();

		pa_profile_free(p);
		p = build();
		add[i] = pa_clock_mono() - before;
	}
	row("add 100 000 distinct stacks x 20 frames", add, rounds);
	took = encode(p, &out);
	row("encode them, cold", &took.wall, 1);
	for (int i = 0; i < rounds; i++) {
		out = (struct pa_sink){.write = write_count};
		took = encode(p, &out);
		warm[i] = took.wall;
		warm_cpu[i] = took.cpu;
	}
	row("encode them, warm (budget 300 ms)", warm, rounds);
	row("encode them, warm, CPU time", warm_cpu, rounds);
	printf("%-44s %8.1f MiB compressed, agent memory %.1f MiB\n", "size",
	       (double)out.total / 1048576, (double)pa_mem_used() / 1048576);
	if (argc > 2) {
		struct file_sink file = {.sink.write = write_file,
					 .fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644)};

		encode(p, &file.sink);
		close(file.fd);
	}
	pa_profile_free(p);
	return 0;
}
