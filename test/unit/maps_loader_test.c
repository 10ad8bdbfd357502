/* SPDX-License-Identifier: Apache-2.0
 * What the loader says is mapped, against what the kernel says. */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "agent/base/maps.h"
#include "test/tap.h"

static struct pa_arena arena;

static const struct pa_map *holding(const struct pa_map *maps, size_t count, uint64_t addr)
{
	for (size_t i = 0; i < count; i++)
		if (addr >= maps[i].start && addr < maps[i].end)
			return &maps[i];
	return NULL;
}

/* The loader has the name that it was asked for, of a link perhaps. */
static bool same_name(const char *loaders, const char *kernels)
{
	char real[PATH_MAX];

	return !strcmp(loaders[0] == '[' || !realpath(loaders, real) ? loaders : real, kernels);
}

static void test_against_kernel(void)
{
	struct pa_map *kernel, *loader;
	size_t kernel_count, loader_count;
	int objects = 0, wrong = 0, other_names = 0;

	is_int(pa_maps_read(&arena, &kernel, &kernel_count), 0, "the kernel's");
	is_int(pa_maps_of_loader(&arena, &loader, &loader_count), 0, "the loader's");
	for (size_t i = 0; i < kernel_count; i++) {
		const struct pa_map *k = &kernel[i];
		const struct pa_map *l = holding(loader, loader_count, k->start);

		if (!k->exec || !strcmp(k->path, "[vsyscall]"))
			continue;
		objects++;
		/* One segment of the loader's may be several mappings of the kernel's. */
		if (!l || !l->exec || !l->read || l->end < k->end || !l->inode != !k->inode ||
		    (k->inode && l->offset + (k->start - l->start) != k->offset)) {
			printf("# %#lx %s\n", (unsigned long)k->start, k->path);
			wrong++;
		} else if (!same_name(l->path, k->path)) {
			printf("# %s is called %s\n", k->path, l->path);
			other_names++;
		}
	}
	ok(objects >= 4, "%d objects", objects);
	is_int(wrong, 0, "all code is where the kernel has it");
	is_int(other_names, 0, "under the same names");
	for (size_t i = 1; i < loader_count; i++)
		wrong += loader[i].start < loader[i - 1].end;
	is_int(wrong, 0, "in order of address");
	pa_arena_done(&arena);
}

static _Atomic bool stop;

static void *storm(void *arg)
{
	(void)arg;
	while (!stop) {
		void *lib = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);

		if (lib)
			dlclose(lib);
	}
	return NULL;
}

static void test_while_it_changes(void)
{
	const uintptr_t here = (uintptr_t)&stop;
	pthread_t thread;
	bool good = true;

	pthread_create(&thread, NULL, storm, NULL);
	for (int i = 0; i < 2000; i++) {
		struct pa_map *maps;
		size_t count;

		good &= !pa_maps_of_loader(&arena, &maps, &count) && holding(maps, count, here);
		pa_arena_done(&arena);
	}
	stop = true;
	pthread_join(thread, NULL);
	ok(good, "libraries that come and go meanwhile do no harm");
}

int main(void)
{
	test_against_kernel();
	test_while_it_changes();
	return tap_done();
}
