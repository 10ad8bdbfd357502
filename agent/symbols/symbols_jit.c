/* SPDX-License-Identifier: Apache-2.0
 * Names of code that no object file has: what a compiler has made at run time and told in a perf
 * map, and memory of which nothing is known but its kind.
 *
 * That kind is a function's name, "[anonymous code]" or "[memfd:doublemapper]", rather than an
 * address: `top` then adds it up to one line, and profiles of two runs can be compared. perf shows
 * one line for each address there. The brackets keep readers from looking for a file or for a
 * function of that name. */
#include <string.h>

#include "agent/base/fmt.h"
#include "agent/symbols/symbols_private.h"
#include "agent/symbols/utf8.h"

#define PAGE UINT64_C(4096)

static const char anonymous[] = "[anonymous code]";

size_t pa_symbols_extra_mapping(struct pa_symbols *s, const char *file)
{
	struct pa_mapping *m;
	size_t len = strlen(file);

	for (size_t i = s->mappings.image_count; i < s->shown_count; i++) {
		if (!strcmp(s->shown[i].file, file))
			return i;
	}
	m = &s->shown[s->shown_count];
	*m = (struct pa_mapping){.file = pa_arena_strndup(&s->arena, file, len), .build_id = ""};
	if (!m->file)
		return PA_NO_MAPPING;
	return s->shown_count++;
}

/* A perf map's mapping spans what has been asked for: readers of profiles do not expect that it
 * begins or ends at any place, and entries of the map can be anywhere. */
static size_t map_mapping(struct pa_symbols *s, pid_t pid, uint64_t addr)
{
	const uint64_t page = addr & ~(PAGE - 1);
	char file[PA_PERFMAP_PATH];
	struct pa_mapping *m;
	size_t i;

	pa_fmt(file, sizeof(file), "[perf-%d.map]", (int)pid);
	i = pa_symbols_extra_mapping(s, file);
	if (i == PA_NO_MAPPING)
		return i;
	m = &s->shown[i];
	m->start = m->limit ? PA_MIN(m->start, page) : page;
	m->limit = PA_MAX(m->limit, page + PAGE);
	return i;
}

bool pa_symbols_compiled(struct pa_symbols *s, uint64_t addr, struct pa_symbol *ret)
{
	const struct pa_perfmap_name *name = pa_perfmap_find(&s->perfmaps, addr);

	if (!name)
		return false;
	ret->name = ret->system_name = name->name;
	ret->file = name->file;
	ret->line = name->line;
	ret->start = name->start;
	ret->known = true;
	/* Code that a compiler has put into a file beforehand stays in that file's mapping. */
	if (ret->mapping == PA_NO_MAPPING || !s->images[ret->mapping].object)
		ret->mapping = map_mapping(s, name->pid, addr);
	return true;
}

static const char *memfd_name(struct pa_symbols *s, const char *name)
{
	const size_t size = strlen(name) + sizeof("[memfd:]");
	char *text = pa_arena_alloc(&s->arena, size);

	if (!text)
		return anonymous;
	pa_fmt(text, size, "[memfd:%s]", name);
	pa_utf8_clean(text);
	return text;
}

/* NULL when the memory is of a file, or has an object in it. */
static const char *kind_name(struct pa_symbols *s, size_t image)
{
	/* Shared memory of mmap(2), shmat(2) and of either with huge pages. */
	static const char *const shared[] = {"/dev/zero", "/SYSV", "/anon_hugepage"};
	static const char memfd[] = "/memfd:";
	const struct pa_map *map = s->mappings.images[image].map;

	if (map->path[0] == '[') /* "[heap]", "[anon:NAME]", "[vsyscall]", the rest of "[vdso]" */
		return s->shown[image].file;
	if (s->images[image].object)
		return NULL;
	if (!map->path[0])
		return anonymous;
	if (!strncmp(map->path, memfd, sizeof(memfd) - 1))
		return memfd_name(s, map->path + sizeof(memfd) - 1);
	for (size_t i = 0; i < PA_ARRAY_LEN(shared); i++) {
		if (map->deleted && !strncmp(map->path, shared[i], strlen(shared[i])))
			return anonymous;
	}
	return NULL;
}

const char *pa_symbols_kind(struct pa_symbols *s, size_t image)
{
	if (!s->kinds)
		s->kinds = pa_arena_alloc(&s->arena, s->mappings.image_count * sizeof(*s->kinds));
	if (!s->kinds)
		return NULL;
	if (!s->kinds[image])
		s->kinds[image] = kind_name(s, image);
	return s->kinds[image];
}
