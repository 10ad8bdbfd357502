/* SPDX-License-Identifier: Apache-2.0
 * Time and memory to name addresses of a large library, with files and lines where it has debug
 * information: the first time (the symbolizer is started and reads the file), with the agent's
 * caches empty again, and with what was asked before.
 *
 *	symbols_bench LIBRARY [ADDRESSES] */
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/symbols/lines.h"
#include "agent/symbols/object.h"
#include "agent/symbols/symbolizer_start.h"
#include "agent/symbols/symbols.h"
#include "test/bench/bench.h"

#define ADDRESSES_MAX 100000

static uint64_t addresses[ADDRESSES_MAX];
static size_t address_count;

/* Spread evenly over the code of an object. */
static int choose(struct dl_phdr_info *info, size_t size, void *arg)
{
	const struct link_map *map = arg;

	(void)size;
	if (info->dlpi_addr != map->l_addr || strcmp(info->dlpi_name, map->l_name) != 0)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
			continue;
		for (size_t k = 0; k < address_count; k++)
			addresses[k] =
				info->dlpi_addr + ph->p_vaddr +
				(uint64_t)((double)ph->p_memsz * (double)k / (double)address_count);
	}
	return 1;
}

static long rss_kib(void)
{
	char text[4096];
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0;

	if (f && fgets(text, sizeof(text), f))
		sscanf(text, "%*d %ld", &pages);
	if (f)
		fclose(f);
	return pages * 4;
}

struct result {
	uint64_t ns;
	size_t named, lined, missing;
};

/* As for one profile. */
static struct result resolve(void)
{
	uint64_t begin = pa_clock_mono();
	struct result r = {0};
	struct pa_symbols *s;

	if (pa_symbols_open(&s) < 0)
		exit(1);
	if (pa_symbols_load_lines(s, addresses, address_count, begin + 60 * PA_NS_PER_S,
				  &r.missing) < 0)
		fprintf(stderr, "%zu addresses without an answer\n", r.missing);
	for (size_t i = 0; i < address_count; i++) {
		struct pa_line lines[PA_SYMBOLS_LINES];
		struct pa_symbol symbol;

		pa_symbols_resolve(s, addresses[i], &symbol);
		r.lined += pa_symbols_lines(s, addresses[i], &symbol, lines) > 0;
		r.named += symbol.known;
	}
	pa_symbols_close(s);
	r.ns = pa_clock_mono() - begin;
	return r;
}

static void row(const char *what, const struct result *r)
{
	printf("%-30s %8.3f ms\n", what, (double)r->ns / 1e6);
}

int main(int argc, char **argv)
{
	struct link_map *map = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
	struct result r;
	long rss;

	address_count = argc > 2 ? (size_t)number(argv[2], ADDRESSES_MAX) : 5000;
	if (!map) {
		fprintf(stderr, "usage: symbols_bench LIBRARY [ADDRESSES]: %s\n",
			argc > 1 ? dlerror() : "which library?");
		return 1;
	}
	dl_iterate_phdr(choose, map);
	pa_symbolizer_program_init();
	rss = rss_kib();
	r = resolve();
	row("cold", &r);
	pa_object_cache_drop();
	pa_lines_drop();
	r = resolve();
	row("agent's caches empty", &r);
	r = resolve();
	row("warm", &r);
	printf("%-30s %8.3f MiB  (agent's own %.1f)\n", "resident memory added",
	       (double)(rss_kib() - rss) / 1024, (double)pa_mem_used() / 1048576);
	printf("%-30s %8.2f percent  (with lines %.2f)\n", "addresses with names",
	       100.0 * (double)r.named / (double)address_count,
	       100.0 * (double)r.lined / (double)address_count);
	return 0;
}
