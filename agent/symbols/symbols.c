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
#include "agent/symbols/lines.h"
#include "agent/symbols/mapping.h"
#include "agent/symbols/name.h"
#include "agent/symbols/object.h"
#include "agent/symbols/symbolizer.h"
#include "agent/symbols/symbols_private.h"
#include "agent/symbols/utf8.h"

#define HEX_BYTES 19 /* "0x" and 16 digits */

/* The kernel's names, read once in the life of the process. */
static struct {
	struct pa_lock lock;
	bool tried;
	struct pa_kallsyms table;
} kernel;

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
	const size_t count = s->mappings.image_count, past = pa_symbols_past_room();

	/* pprof expects one mapping at least (contract 3.4). */
	s->shown = pa_arena_alloc(&s->arena,
				  (count + 1 + PA_SYMBOLS_EXTRA + past) * sizeof(*s->shown));
	s->images = pa_arena_alloc(&s->arena, (count + past + 1) * sizeof(*s->images));
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
	return pa_symbols_past_open(s, past);
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
		s->perfmaps.arena = &s->arena;
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
		pa_image_close(&s->images[i]);
	pa_symbols_past_close(s);
	pa_image_reader_done(&s->reader);
	pa_perfmap_view_done(&s->perfmaps);
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

static size_t kernel_mapping(struct pa_symbols *s)
{
	const size_t before = s->shown_count;
	const size_t i = pa_symbols_extra_mapping(s, "[kernel.kallsyms]");

	if (s->shown_count > before) {
		s->shown[i].start = 0xffff800000000000u; /* see pa_symbols_is_kernel */
		s->shown[i].limit = UINT64_MAX;
		s->shown[i].build_id = pa_image_kernel_build_id(&s->arena);
	}
	return i;
}

static void resolve_kernel(struct pa_symbols *s, uint64_t addr, struct pa_symbol *ret)
{
	const char *name;
	size_t plain;

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
	plain = pa_name_base(ret->name);
	if (ret->name[plain])
		ret->name = pa_arena_strndup(&s->arena, ret->name, plain);
	if (!ret->name)
		ret->name = ret->system_name;
}

const struct pa_region *pa_symbols_region(struct pa_symbols *s, uint64_t addr)
{
	const struct pa_region *past = pa_symbols_past_region(s, addr);

	if (past)
		return past;
	if (!s->last || addr < s->last->start || addr >= s->last->end)
		s->last = pa_mappings_find(&s->mappings, addr);
	return s->last;
}

size_t pa_symbols_mapping(struct pa_symbols *s, uint64_t addr)
{
	const struct pa_region *region = pa_symbols_region(s, addr);

	if (!region)
		return PA_NO_MAPPING;
	return pa_symbols_is_past(s, region) ? pa_symbols_past_mapping(s, region) : region->image;
}

bool pa_symbols_name(struct pa_symbols *s, uint64_t addr, struct pa_symbol *ret)
{
	const struct pa_region *region = pa_symbols_region(s, addr);
	const char *kind;

	*ret = (struct pa_symbol){.mapping = PA_NO_MAPPING};
	if (region && pa_symbols_is_past(s, region))
		return pa_symbols_past_name(s, region, addr, ret);
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
		ret->start = pa_image_function(&s->images[region->image], addr, &s->reader);
		if (pa_symbols_indirect(s, region->image, ret))
			return true;
	} else if (pa_symbols_is_kernel(addr)) {
		resolve_kernel(s, addr, ret);
		return true;
	}
	if (pa_symbols_compiled(s, addr, ret))
		return true;
	kind = region ? pa_symbols_kind(s, region->image) : NULL;
	if (kind)
		set_name(ret, kind);
	return kind != NULL;
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
	pa_perfmap_fork_child();
	pa_symbolizer_fork_child();
	pa_lines_fork_child();
	pa_kept_fork_child();
}
