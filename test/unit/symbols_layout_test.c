/* SPDX-License-Identifier: Apache-2.0
 * Load bias and names for every layout of an object that linkers know. */
#include "test/tap.h"

#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/maps.h"
#include "agent/symbols/mapping.h"
#include "agent/symbols/object.h"
#include "agent/symbols/symtab.h"
#include "test/unit/symbols_probe.h"

/* Shared objects of every layout, loaded. */
static void test_plugin_layouts(void)
{
	static const char *const flags[] = {
		"-shared -fPIC",
		"-shared -fPIC -Wl,-z,noseparate-code",
		"-shared -fPIC -Wl,-Ttext-segment=0x3000000", /* as prelink leaves them */
		"-shared -fPIC -Wl,-z,max-page-size=0x200000",
		"-shared -fPIC -s",
		"-shared -fPIC -Wl,--hash-style=sysv -s",
		"-shared -fPIC -fuse-ld=gold",
		"-shared -fPIC -fuse-ld=lld",
		"-shared -fPIC -Wl,--build-id=none",
		"-shared -fPIC -Wl,--build-id=md5 -Wl,-z,norelro",
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		char name[32], path[128];
		struct pa_symbols *s;
		void *plugin;

		snprintf(name, sizeof(name), "layout%zu.so", i);
		if (!build(name, flags[i], path, sizeof(path))) {
			printf("# not built: %s\n", flags[i]);
			continue;
		}
		plugin = dlopen(path, RTLD_NOW);
		if (!ok(plugin != NULL, "loads"))
			continue;
		s = open_view();
		is_int(wrong_names(s, plugin), 0, flags[i]);
		pa_symbols_close(s);
		dlclose(plugin);
	}
}

/* Programs of every layout, by what they print about themselves. */
static void check_program(const char *path, const char *flags)
{
	struct pa_arena arena = {0};
	struct pa_mappings m = {0};
	struct pa_map *maps = NULL;
	static char text[1 << 18];
	static struct pa_symtab_names names;
	struct pa_object_id id;
	struct pa_elf_source src;
	struct pa_symtab t;
	struct pa_elf e;
	size_t len, count = 0;
	uint64_t bias = 1;
	unsigned checked = 0, wrong = 0;
	FILE *f = popen(path, "r");
	int fd = pa_object_open_file(path, &id);
	char *line, *rest;

	if (!f || fd < 0) {
		ok(0, "%s runs", path);
		return;
	}
	len = fread(text, 1, sizeof(text) - 1, f);
	text[len] = '\0';
	pclose(f);
	rest = strstr(text, "\n\n");
	if (!ok(rest != NULL, "prints its functions"))
		return;
	is_int(pa_maps_parse(rest, strlen(rest), &arena, &maps, &count), 0, "its maps");
	is_int(pa_mappings_build(maps, count, strtoull(strchr(text, ' '), NULL, 16), &arena, &m), 0,
	       "its mappings");
	is_str(m.images[0].shown.file, path, "the program is first");
	src = pa_elf_source_file(fd, id.size);
	is_int(pa_elf_open(&e, &src), 0, "its file");
	is_int(pa_elf_bias(&e, m.images[0].shown.start, m.images[0].shown.offset, &bias), 0,
	       "its bias");
	is_int(pa_symtab_load(&t, &e), 0, "its symbols");
	*rest = '\0';
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *space = strchr(line, ' ');
		uint64_t addr = strtoull(space, NULL, 16) - bias;
		const char *name = NULL;
		size_t first, n;

		*space = '\0';
		if (pa_symtab_find(&t, addr, &first, &n))
			name = pa_symtab_choose(&t, &src, first, n, &names);
		checked++;
		if (!name || strcmp(name, line) != 0 || t.base + t.entries[first].start != addr)
			wrong++;
	}
	ok(checked == 6 && !wrong, "%s: %u of %u functions wrong, bias 0x%llx", flags, wrong,
	   checked, (unsigned long long)bias);
	pa_symtab_done(&t);
	pa_arena_done(&arena);
	close(fd);
}

static void test_program_layouts(void)
{
	static const char *const flags[] = {
		"-pie -fPIE",
		"-no-pie",
		"-no-pie -Wl,-z,noseparate-code",
		"-no-pie -Wl,-Ttext-segment=0x10000000",
		"-pie -fPIE -Wl,-Ttext-segment=0x5000000",
		"-static-pie -fPIE",
		"-static",
		"-pie -fPIE -fuse-ld=gold",
		"-no-pie -fuse-ld=gold -Wl,--rosegment",
		"-pie -fPIE -fuse-ld=lld",
		"-no-pie -Wl,-z,max-page-size=0x200000",
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		char name[32], path[128];

		snprintf(name, sizeof(name), "program%zu", i);
		if (build(name, flags[i], path, sizeof(path)))
			check_program(path, flags[i]);
		else
			printf("# not built: %s\n", flags[i]);
	}
}

int main(void)
{
	char cmd[100];

	if (!mkdtemp(dir))
		return 1;
	test_plugin_layouts();
	test_program_layouts();
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return tap_done() | (system(cmd) != 0);
}
