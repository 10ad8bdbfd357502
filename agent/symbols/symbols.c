/* SPDX-License-Identifier: Apache-2.0
 * One request's view: regions of executable memory, the object behind each, and names. */
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/fmt.h"
#include "agent/base/lock.h"
#include "agent/base/log.h"
#include "agent/base/maps.h"
#include "agent/symbols/image.h"
#include "agent/symbols/kallsyms.h"
#include "agent/symbols/mapping.h"
#include "agent/symbols/object.h"
#include "agent/symbols/symbols.h"
#include "agent/symbols/utf8.h"

#define HEX_BYTES 19 /* "0x" and 16 digits */

struct pa_symbols {
	struct pa_arena arena;
	struct pa_mappings mappings;
	struct pa_image_symbols *images; /* beside mappings.images */
	struct pa_mapping *shown;        /* with room for the kernel's */
	size_t shown_count;
	const struct pa_region *last; /* most addresses lie where the one before did */
	struct pa_image_reader reader;
};

/* The kernel's names, read once in the life of the process. */
static struct {
	struct pa_lock lock;
	bool tried;
	struct pa_kallsyms table;
} kernel;

static const char kernel_file[] = "[kernel.kallsyms]";

static const char *shown_name(struct pa_arena *a, const char *file)
{
	char *copy = pa_arena_strndup(a, file, strlen(file));

	if (!copy)
		return "";
	pa_utf8_clean(copy);
	return copy;
}

static int show_images(struct pa_symbols *s)
{
	const size_t count = s->mappings.image_count;

	/* pprof expects one mapping at least (contract 3.4), and one may come for the kernel. */
	s->shown = pa_arena_alloc(&s->arena, (count + 2) * sizeof(*s->shown));
	s->images = pa_arena_alloc(&s->arena, (count + 1) * sizeof(*s->images));
	if (!s->shown || !s->images)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct pa_image *image = &s->mappings.images[i];

		pa_image_open(&s->images[i], image, &s->arena);
		s->shown[i] = image->shown;
		s->shown[i].file = shown_name(&s->arena, image->shown.file);
		s->shown[i].build_id = s->images[i].build_id;
	}
	s->shown_count = count;
	if (!count)
		s->shown[s->shown_count++] = (struct pa_mapping){.file = "", .build_id = ""};
	return 0;
}

static int read_view(struct pa_symbols *s)
{
	struct pa_map *maps;
	size_t count;
	int r = pa_maps_read(&s->arena, &maps, &count);

	if (r == 0)
		r = pa_mappings_build(maps, count, getauxval(AT_ENTRY), &s->arena, &s->mappings);
	if (r == 0)
		r = show_images(s);
	if (r == 0) {
		s->reader.fd = -1;
		s->reader.scratch = pa_arena_alloc(&s->arena, sizeof(*s->reader.scratch));
		r = s->reader.scratch ? 0 : -ENOMEM;
	}
	return r;
}

int pa_symbols_open(struct pa_symbols **ret)
{
	struct pa_arena arena = {0};
	struct pa_symbols *s = pa_arena_alloc(&arena, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->arena = arena;
	r = read_view(s);
	if (r < 0) {
		pa_symbols_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

void pa_symbols_close(struct pa_symbols *s)
{
	struct pa_arena arena;

	if (!s)
		return;
	for (size_t i = 0; s->images && i < s->mappings.image_count; i++)
		pa_object_put(s->images[i].object);
	pa_image_reader_done(&s->reader);
	arena = s->arena; /* which s itself is in */
	pa_arena_done(&arena);
}

const struct pa_mapping *pa_symbols_mappings(const struct pa_symbols *s, size_t *ret_count)
{
	*ret_count = s->shown_count;
	return s->shown;
}

static const char *hex_name(struct pa_symbols *s, uint64_t addr)
{
	char *text = pa_arena_alloc(&s->arena, HEX_BYTES);

	if (!text)
		return "[out of memory]";
	pa_fmt(text, HEX_BYTES, "0x%llx", (unsigned long long)addr);
	return text;
}

static void set_name(struct pa_symbol *ret, const char *name)
{
	ret->name = ret->system_name = name;
	ret->known = true;
}

/* The kernel's mapping, listed from now on: always the last one. */
static size_t kernel_mapping(struct pa_symbols *s)
{
	struct pa_mapping *last = &s->shown[s->shown_count - 1];

	if (last->file == kernel_file)
		return s->shown_count - 1;
	s->shown[s->shown_count] = (struct pa_mapping){
		.start = 0xffff800000000000u, /* see pa_symbols_is_kernel */
		.limit = UINT64_MAX,
		.file = kernel_file,
		.build_id = pa_image_kernel_build_id(&s->arena),
	};
	return s->shown_count++;
}

static void resolve_kernel(struct pa_symbols *s, uint64_t addr, struct pa_symbol *ret)
{
	const char *name;

	ret->mapping = kernel_mapping(s);
	pa_lock(&kernel.lock);
	if (!kernel.tried) {
		int r = pa_kallsyms_load(&kernel.table, "/proc/kallsyms");

		/* Unreadable for ordinary users almost everywhere: nothing to warn about. */
		if (r < 0)
			pa_debug("kernel names: %s", pa_errno_text(r));
		kernel.tried = true;
	}
	name = pa_kallsyms_find(&kernel.table, addr, &ret->start);
	pa_unlock(&kernel.lock); /* the table does not change any more */
	set_name(ret, name ? name : "[kernel]");
}

static const struct pa_region *region_of(struct pa_symbols *s, uint64_t addr)
{
	if (!s->last || addr < s->last->start || addr >= s->last->end)
		s->last = pa_mappings_find(&s->mappings, addr);
	return s->last;
}

bool pa_symbols_name(struct pa_symbols *s, uint64_t addr, struct pa_symbol *ret)
{
	const struct pa_region *region = region_of(s, addr);

	*ret = (struct pa_symbol){.mapping = PA_NO_MAPPING};
	if (region) {
		const struct pa_image *image = &s->mappings.images[region->image];
		const struct pa_object_name *name;

		ret->mapping = region->image;
		name = pa_image_name(&s->images[region->image], image, addr, &s->reader);
		if (name) {
			ret->name = name->name;
			ret->system_name = name->system_name;
			ret->start = name->vaddr + s->images[region->image].bias;
			ret->known = true;
			return true;
		}
		if (image->shown.file[0] == '[') { /* [vdso], [vsyscall]: all the name there is */
			set_name(ret, s->shown[region->image].file);
			return true;
		}
		ret->start = pa_image_function(&s->images[region->image], addr, &s->reader);
	} else if (pa_symbols_is_kernel(addr)) {
		resolve_kernel(s, addr, ret);
		return true;
	}
	return false;
}

void pa_symbols_resolve(struct pa_symbols *s, uint64_t addr, struct pa_symbol *ret)
{
	if (!pa_symbols_name(s, addr, ret))
		ret->name = ret->system_name = hex_name(s, addr);
}

/* From the linker: the first byte of this object, and the end of its code. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char etext[] __attribute__((visibility("hidden")));

bool pa_symbols_is_agent(uint64_t addr)
{
	return addr >= (uintptr_t)__ehdr_start && addr < (uintptr_t)etext;
}

void pa_symbols_fork_child(void)
{
	if (atomic_load_explicit(&kernel.lock.state, memory_order_relaxed)) {
		kernel.tried = false;
		kernel.table = (struct pa_kallsyms){0};
	}
	kernel.lock = (struct pa_lock){0};
	pa_object_fork_child();
}
