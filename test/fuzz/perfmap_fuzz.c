/* SPDX-License-Identifier: Apache-2.0
 * Perf maps: the input is the file, read while it grows and read at once. Both give the same
 * ranges, in order and without overlap, and each has a name. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/symbols/perfmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void read_more(struct pa_perfmap *m, int fd, const uint8_t *data, size_t from, size_t to)
{
	if (pwrite(fd, data + from, to - from, (off_t)from) == (ssize_t)(to - from))
		check(pa_perfmap_refresh(m, fd) == 0);
}

static void check_names(const struct pa_perfmap *m, int fd)
{
	static char text[PA_PERFMAP_TEXT], file[200];
	struct pa_perfmap_name name;
	uint32_t line;

	for (size_t i = 0; i < m->ranges.count; i++) {
		const struct pa_perfmap_range *r = &m->ranges.items[i];

		check(r->size && (!i || r[-1].start + r[-1].size <= r->start));
		check(pa_perfmap_ranges_find(&m->ranges, r->start) == r);
		check(pa_perfmap_ranges_find(&m->ranges, r->start + r->size - 1) == r);
		check(pa_perfmap_read_name(fd, r, text, &name));
		check(name.start <= r->start && *name.name && strlen(name.name) < sizeof(text));
		pa_perfmap_source(name.name, file, sizeof(file), &line);
		check(strlen(file) < sizeof(file));
	}
}

static bool same(const struct pa_perfmap *a, const struct pa_perfmap *b)
{
	return a->ranges.count == b->ranges.count &&
	       (!a->ranges.count || !memcmp(a->ranges.items, b->ranges.items,
					    a->ranges.count * sizeof(*a->ranges.items)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pa_perfmap grown = {.pid = 1}, whole = {.pid = 1};
	const int fd = memfd_create("perfmap", MFD_CLOEXEC);
	const size_t step = size / 3 + 1;
	char file[40];
	uint32_t line;

	if (fd < 0)
		return 0;
	for (size_t at = 0; at < size; at += step)
		read_more(&grown, fd, data, at, PA_MIN(at + step, size));
	check(pa_perfmap_refresh(&whole, fd) == 0);
	check_names(&whole, fd);
	/* Pieces can be cut at other places, but not where the file is read in one go at last. */
	check(whole.pos == grown.pos);
	for (size_t i = 0; i < grown.ranges.count; i++) {
		const struct pa_perfmap_range *r = &grown.ranges.items[i];
		const struct pa_perfmap_range *w = pa_perfmap_ranges_find(&whole.ranges, r->start);

		check(w && w->line == r->line);
	}
	if (ftruncate(fd, (off_t)(size / 2)) == 0) {
		check(pa_perfmap_refresh(&grown, fd) == 0);
		pa_perfmap_done(&whole);
		whole = (struct pa_perfmap){.pid = 1};
		check(pa_perfmap_refresh(&whole, fd) == 0 && (size < 2 || same(&grown, &whole)));
	}
	close(fd);
	pa_perfmap_done(&grown);
	pa_perfmap_done(&whole);
	if (size && size < 1000) {
		char *text = malloc(size + 1);

		memcpy(text, data, size);
		text[size] = '\0';
		pa_perfmap_source(text, file, sizeof(file), &line);
		check(strlen(file) < sizeof(file));
		free(text);
	}
	return 0;
}
