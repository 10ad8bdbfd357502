/* SPDX-License-Identifier: Apache-2.0
 * Copies of parts of a file, and what is kept of an object. */
#include "test/tap.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/symbols/elf_copy.h"
#include "agent/symbols/kept.h"
#include "agent/symbols/object.h"
#include "test/unit/symbols_probe.h"

static void test_parts(void)
{
	static char data[1 << 16];
	const struct pa_elf_source from = pa_elf_source_buffer(data, sizeof(data));
	struct pa_elf_parts parts = {.from = &from, .max = 40000};
	struct pa_elf_source recording = pa_elf_parts_source(&parts), copy;
	struct pa_elf_copy *c = NULL;
	char a[3000], b[3000];
	unsigned seed = 7;
	bool same = true;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)rand_r(&seed);
	for (int i = 0; i < 10; i++)
		same &= !pa_elf_read(&recording, (uint64_t)i * 6001, a, 1000) &&
			!memcmp(a, data + i * 6001, 1000);
	pa_elf_parts_add(&parts, 3000, 3000);
	pa_elf_parts_add(&parts, sizeof(data) - 10, 1000);
	pa_elf_parts_add(&parts, sizeof(data), 1000);
	pa_elf_parts_add(&parts, UINT64_MAX - 5, 1000);
	ok(same, "a recording source reads the original");
	is_int(pa_elf_copy_new(&parts, &c), 0, "its copy");
	memset(data, 0, 1000); /* the original is another one by now */
	copy = pa_elf_copy_source(c);
	is_int(pa_elf_read(&copy, 6001, b, 1000), 0, "has what was read");
	ok(!memcmp(b, data + 6001, 1000), "as it was");
	is_int(pa_elf_read(&copy, 3500, b, 2500), 0, "and what was added");
	ok(!memcmp(b, data + 3500, 2500), "as it was");
	is_int(pa_elf_read(&copy, sizeof(data) - 10, b, 10), 0, "up to the end");
	is_int(pa_elf_read(&copy, 9000, b, 10), -EIO, "nothing else");
	is_int(pa_elf_read(&copy, 6500, b, 1000), -EIO, "nor more than there is");
	is_int(pa_elf_read(&copy, sizeof(data) - 5, b, 10), -EIO, "nor behind the end");
	ok(pa_elf_copy_bytes(c) < 20000, "it takes what it holds (%zu)", pa_elf_copy_bytes(c));
	pa_elf_copy_free(c);
	pa_elf_parts_add(&parts, 20000, 40000);
	is_int(pa_elf_copy_new(&parts, &c), -EFBIG, "there is a limit");
	is_int(pa_elf_read(&recording, 0, a, 10), -EFBIG, "at which reading ends");

	parts = (struct pa_elf_parts){.from = &from, .max = sizeof(data)};
	for (uint64_t i = 0; i < 200; i++)
		pa_elf_parts_add(&parts, i * 300, 1);
	is_int(pa_elf_copy_new(&parts, &c), -EFBIG, "and one of parts");
}

/* As the journal would describe it. */
static struct pa_module module_of(void *plugin, const char *path, bool deleted)
{
	struct pa_module m = {.path = path, .deleted = deleted};
	struct pa_arena arena = {0};
	struct link_map *l;
	struct pa_map *maps;
	size_t count;

	if (dlinfo(plugin, RTLD_DI_LINKMAP, &l) || pa_maps_read(&arena, &maps, &count)) {
		ok(0, "its maps");
		exit(1);
	}
	m.object.lo = m.object.head = m.object.bias = l->l_addr;
	for (size_t i = 0; i < count; i++) {
		if (maps[i].start == l->l_addr) {
			m.object.inode = maps[i].inode;
			m.object.dev = maps[i].dev;
		}
		if (m.object.inode && maps[i].inode == m.object.inode) {
			m.object.hi = maps[i].end;
			if (maps[i].exec) {
				m.start = maps[i].start;
				m.limit = m.first_end = maps[i].end;
				m.offset = maps[i].offset;
			}
		}
	}
	pa_arena_done(&arena);
	return m;
}

/* The name of a function, read from the copy only. */
static const char *name_in(struct pa_kept *k, uint64_t vaddr)
{
	static struct pa_object_scratch scratch;
	static char text[100];
	const struct pa_object_name *name;
	const struct pa_elf *e = pa_kept_elf(k);
	struct pa_object_hit hit;
	struct pa_object *o;

	text[0] = '\0';
	if (!e || pa_object_get(NULL, e, &o))
		return "";
	if (!pa_object_load(o, &e->src) && pa_object_lookup(o, vaddr, &hit)) {
		name = pa_object_name(o, &hit, &e->src, &scratch);
		snprintf(text, sizeof(text), "%s", name ? name->name : "");
	}
	pa_object_put(o);
	return text;
}

static void test_kept(void)
{
	const struct pa_modules_keeper *k = &pa_kept_keeper;
	char path[128], copy[128], cmd[300];
	struct pa_module m;
	struct pa_kept *one, *two, *none;
	void *plugin, *other, *call;
	size_t bytes;

	if (!build("kept.so", "-shared -fPIC", path, sizeof(path))) {
		ok(0, "a plugin");
		return;
	}
	snprintf(copy, sizeof(copy), "%s/copy.so", dir);
	snprintf(cmd, sizeof(cmd), "cp %s %s", path, copy);
	plugin = dlopen(path, RTLD_NOW);
	other = system(cmd) ? NULL : dlopen(copy, RTLD_NOW);
	if (!ok(plugin && other && plugin != other, "a plugin and its copy are loaded"))
		return;
	call = dlsym(plugin, "probe_global");
	m = module_of(plugin, path, false);
	one = k->keep(&m);
	if (!ok(one != NULL, "it is kept"))
		return;
	bytes = pa_kept_bytes();
	ok(bytes > 1000 && bytes < 60000, "with %zu bytes", bytes);
	is_int(strlen(pa_kept_build_id(one)), 40, "it has a build id");
	is_str(name_in(one, (uintptr_t)call - m.object.bias), "probe_global", "and names");
	m = module_of(other, copy, false);
	two = k->keep(&m);
	ok(one == two && pa_kept_bytes() == bytes, "a copy of the file takes no more");
	k->drop(two);
	is_int(pa_kept_bytes(), bytes, "one is left");

	/* Its file is gone, and the kernel's link to it may be followed by root only. */
	unlink(path);
	m = module_of(plugin, path, true);
	two = k->keep(&m);
	is_str(name_in(two, (uintptr_t)call - m.object.bias), "probe_global",
	       "it has names when its file is gone");
	m.kept = two;
	ok(k->keep(&m) == two, "what is kept once stays");
	k->drop(two);
	k->drop(one);
	is_int(pa_kept_bytes(), 0, "nothing is left");

	dlclose(plugin);
	m.kept = NULL;
	none = k->keep(&m);
	ok(!none || !pa_kept_elf(none), "nothing can be kept of what is gone");
	pa_kept_put(none);
	pa_kept_put(NULL);
	is_int(pa_kept_bytes(), 0, "nothing is left");
	dlclose(other);
}

/* A budget for one only. */
static void test_budget(void)
{
	const struct pa_modules_keeper *k = &pa_kept_keeper;
	const size_t limit = pa_mem_limit();
	char path[128];
	struct pa_kept *kept;
	struct pa_module m;
	void *plugin;

	if (!build("kept2.so", "-shared -fPIC", path, sizeof(path)))
		return;
	plugin = dlopen(path, RTLD_NOW);
	m = module_of(plugin, path, false);
	pa_mem_limit_set(64 << 10);
	kept = k->keep(&m);
	ok(!kept || !pa_kept_elf(kept), "nothing is kept over the budget");
	pa_mem_limit_set(limit);
	pa_kept_put(kept);
	is_int(pa_kept_bytes(), 0, "nothing is left");
	dlclose(plugin);
}

int main(void)
{
	char cmd[100];

	if (!mkdtemp(dir))
		return 1;
	test_parts();
	test_kept();
	test_budget();
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return tap_done() | (system(cmd) != 0);
}
