/* SPDX-License-Identifier: Apache-2.0
 * The first pass over a profile: every distinct address becomes one location with one function.
 *
 * Pseudo frames get a mapping of their own, "[profagent]", where the addresses of profile.h lie.
 * Without one, Pyroscope would invent a mapping that has no names and look for its debug
 * information; in square brackets, pprof knows that there is no file. Code in no mapping (an
 * object that was unloaded) has mapping 0, which all readers know. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "agent/base/fmt.h"
#include "agent/symbols/symbols.h"
#include "exporters/pprof_tables.h"

/* Stands for the mapping of pseudo frames until its number is known. */
#define PSEUDO_MAPPING UINT32_MAX

#define PSEUDO_BYTES 0x1000

static int function_add(struct pa_pprof_tables *t, const char *name, const char *system_name,
			uint32_t *ret)
{
	struct pa_pprof_function f;
	void *functions = t->functions;
	uint64_t id, key;
	int r;

	r = pa_strings_add(&t->strings, name, &f.name);
	if (r < 0)
		return r;
	r = pa_strings_add(&t->strings, system_name, &f.system_name);
	if (r < 0)
		return r;
	key = (uint64_t)f.name << 32 | f.system_name;
	if (pa_map64_get(&t->function_ids, key, &id)) {
		*ret = (uint32_t)id;
		return 0;
	}
	r = pa_pages_grow(&functions, &t->functions_cap, (t->function_count + 1) * sizeof(f));
	if (r < 0)
		return r;
	t->functions = functions;
	r = pa_map64_put(&t->function_ids, key, t->function_count + 1);
	if (r < 0)
		return r;
	t->functions[t->function_count++] = f;
	*ret = (uint32_t)t->function_count;
	return 0;
}

static int location_append(struct pa_pprof_tables *t, const struct pa_pprof_location *l)
{
	void *locations = t->locations;
	int r = pa_pages_grow(&locations, &t->locations_cap, (t->location_count + 1) * sizeof(*l));

	if (r < 0)
		return r;
	t->locations = locations;
	r = pa_map64_put(&t->location_ids, l->address, t->location_count + 1);
	if (r < 0)
		return r;
	t->locations[t->location_count++] = *l;
	return 0;
}

/* The id of the mapping that contains an address, without reading its symbols. */
static uint32_t mapping_of(const struct pa_pprof_tables *t, uint64_t address)
{
	size_t count;
	const struct pa_mapping *m = pa_symbols_mappings(t->symbols, &count);

	for (size_t i = 0; i < count; i++) {
		if (address >= m[i].start && address < m[i].limit)
			return (uint32_t)i + 1;
	}
	return 0;
}

/* Code without a name gets the one of its file and place in it, such as "libc.so.6+0x27200": the
 * offset in the file at which its function starts, so that a function has one name, or its own
 * where that is unknown. Other than the address it is the same in every run, so that `pprof
 * -diff_base` and whoever stores profiles can match it. Only what is in no file is called by its
 * address. */
static const char *place_name(struct pa_pprof_tables *t, const struct pa_symbol *symbol,
			      uint64_t address)
{
	char text[288]; /* longest file name and 16 digits */
	size_t count;
	const struct pa_mapping *m = pa_symbols_mappings(t->symbols, &count);
	const char *base;

	if (symbol->mapping >= count)
		return symbol->name;
	m += symbol->mapping;
	base = strrchr(m->file, '/');
	if (m->file[0] != '/' || base == m->file + 1) /* "[vdso]", "//anon" */
		return symbol->name;
	if (symbol->start)
		address = symbol->start;
	pa_fmt(text, sizeof(text), "%.255s+0x%" PRIx64, base + 1, address - m->start + m->offset);
	return pa_arena_strndup(&t->arena, text, strlen(text));
}

static int code_add(struct pa_pprof_tables *t, struct pa_pprof_location *l)
{
	struct pa_symbol symbol;
	size_t count;

	if (t->no_symbols && !pa_symbols_is_kernel(l->address)) {
		l->mapping = mapping_of(t, l->address);
		return 0;
	}
	pa_symbols_resolve(t->symbols, l->address, &symbol);
	pa_symbols_mappings(t->symbols, &count);
	if (symbol.mapping < count)
		l->mapping = (uint32_t)symbol.mapping + 1;
	if (!symbol.known) {
		symbol.name = symbol.system_name = place_name(t, &symbol, l->address);
		if (!symbol.name)
			return -ENOMEM;
	}
	return function_add(t, symbol.name, symbol.system_name, &l->function);
}

static int location_add(struct pa_pprof_tables *t, uint64_t address)
{
	struct pa_pprof_location l = {.address = address};
	const char *pseudo = pa_pseudo_name(address);
	int r;

	if (pseudo) {
		l.mapping = PSEUDO_MAPPING;
		r = function_add(t, pseudo, pseudo, &l.function);
	} else if (pa_symbols_is_agent(address)) {
		return pa_map64_put(&t->location_ids, address, 0);
	} else {
		r = code_add(t, &l);
	}
	return r < 0 ? r : location_append(t, &l);
}

static int sample_add(struct pa_pprof_tables *t, const struct pa_sample *s)
{
	uint64_t id;
	bool shown = false;
	int r;

	t->depth = PA_MAX(t->depth, s->frame_count);
	for (size_t i = 0; i < s->frame_count; i++) {
		if (!pa_map64_get(&t->location_ids, s->frames[i], &id)) {
			r = location_add(t, s->frames[i]);
			if (r < 0)
				return r;
			if (!pa_map64_get(&t->location_ids, s->frames[i], &id))
				return -EIO;
		}
		shown |= id != 0;
	}
	if (shown || pa_map64_get(&t->location_ids, PA_PSEUDO_FRAME(PA_PSEUDO_AGENT), &id))
		return 0;
	return location_add(t, PA_PSEUDO_FRAME(PA_PSEUDO_AGENT));
}

static int mapping_fill(struct pa_pprof_tables *t, struct pa_pprof_mapping *ret,
			const struct pa_mapping *m)
{
	int r;

	ret->start = m->start;
	ret->limit = m->limit;
	ret->offset = m->offset;
	r = pa_strings_add(&t->strings, m->file, &ret->file);
	return r < 0 ? r : pa_strings_add(&t->strings, m->build_id, &ret->build_id);
}

/* All mappings are listed, used or not, as Go does; the one of pseudo frames only when used. */
static int mappings_add(struct pa_pprof_tables *t)
{
	static const struct pa_mapping pseudo = {
		.start = PA_PSEUDO_BASE,
		.limit = PA_PSEUDO_BASE + PSEUDO_BYTES,
		.file = "[profagent]",
		.build_id = "",
	};
	size_t count;
	const struct pa_mapping *m = pa_symbols_mappings(t->symbols, &count);
	int r;

	t->mappings = pa_arena_alloc(&t->arena, (count + 1) * sizeof(*t->mappings));
	if (!t->mappings)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		r = mapping_fill(t, &t->mappings[i], &m[i]);
		if (r < 0)
			return r;
	}
	t->mapping_count = count;
	for (size_t i = 0; i < t->location_count; i++) {
		struct pa_pprof_location *l = &t->locations[i];

		if (l->mapping == PSEUDO_MAPPING) {
			l->mapping = (uint32_t)count + 1;
			t->mapping_count = count + 1;
		}
		if (l->mapping && l->function)
			t->mappings[l->mapping - 1].has_functions = true;
	}
	return t->mapping_count > count ? mapping_fill(t, &t->mappings[count], &pseudo) : 0;
}

static int value_type_add(struct pa_pprof_tables *t, const struct pa_value_type *v, uint32_t ret[2])
{
	int r = pa_strings_add(&t->strings, v->type, &ret[0]);

	return r < 0 ? r : pa_strings_add(&t->strings, v->unit, &ret[1]);
}

static int comments_add(struct pa_pprof_tables *t)
{
	struct pa_pprof_head *h = &t->head;
	size_t count = 0;

	while (pa_profile_comment_get(t->profile, count))
		count++;
	h->comments = pa_arena_alloc(&t->arena, (count + 1) * sizeof(*h->comments));
	if (!h->comments)
		return -ENOMEM;
	for (size_t i = 0; i <= count; i++) {
		uint32_t string;
		int r = pa_strings_add(&t->strings,
				       i ? pa_profile_comment_get(t->profile, i - 1)
					 : "profagent " PA_VERSION,
				       &string);

		if (r < 0)
			return r;
		h->comments[h->comment_count++] = string;
	}
	return 0;
}

static int head_add(struct pa_pprof_tables *t)
{
	const struct pa_profile *p = t->profile;
	int r;

	for (int i = 0; i < p->type_count; i++) {
		r = value_type_add(t, &p->types[i], t->head.types[i]);
		if (r < 0)
			return r;
	}
	r = value_type_add(t, &p->period_type, t->head.period_type);
	if (r < 0)
		return r;
	r = pa_strings_add(&t->strings, p->default_type, &t->head.default_type);
	return r < 0 ? r : comments_add(t);
}

int pa_pprof_tables_init(struct pa_pprof_tables *t, const struct pa_profile *p, bool no_symbols)
{
	int r;

	if (p->type_count < 0 || p->type_count > PA_PROFILE_VALUES)
		return -EINVAL;
	t->profile = p;
	t->no_symbols = no_symbols;
	r = pa_symbols_open(&t->symbols);
	if (r < 0)
		return r;
	r = head_add(t);
	for (size_t i = 0; r == 0 && i < pa_profile_count(p); i++) {
		struct pa_sample s = pa_profile_sample(p, i);

		r = sample_add(t, &s);
	}
	return r < 0 ? r : mappings_add(t);
}

void pa_pprof_tables_done(struct pa_pprof_tables *t)
{
	pa_map64_done(&t->location_ids);
	pa_map64_done(&t->function_ids);
	pa_pages_free(t->locations, t->locations_cap);
	pa_pages_free(t->functions, t->functions_cap);
	pa_strings_done(&t->strings);
	pa_arena_done(&t->arena);
	if (t->symbols)
		pa_symbols_close(t->symbols);
	*t = (struct pa_pprof_tables){0};
}

size_t pa_pprof_stack(const struct pa_pprof_tables *t, const struct pa_sample *s, uint64_t *ids)
{
	size_t count = 0;

	for (size_t i = 0; i < s->frame_count; i++) {
		uint64_t id;

		if (pa_map64_get(&t->location_ids, s->frames[i], &id) && id)
			ids[count++] = id;
	}
	if (!count && pa_map64_get(&t->location_ids, PA_PSEUDO_FRAME(PA_PSEUDO_AGENT), ids))
		count = 1;
	return count;
}
