/* SPDX-License-Identifier: Apache-2.0
 * The first pass over a profile: every distinct address becomes one location.
 *
 * Pseudo frames get a mapping of their own, "[profagent]", where the addresses of profile.h lie.
 * Without one, Pyroscope would invent a mapping that has no names and look for its debug
 * information; in square brackets, pprof knows that there is no file. Code in no mapping (an
 * object that was unloaded) has mapping 0, which all readers know. */
#include <errno.h>
#include <string.h>

#include "agent/symbols/symbols.h"
#include "exporters/pprof_locations.h"
#include "exporters/pprof_tables.h"

#define PSEUDO_BYTES 0x1000

static int location_add(struct pa_pprof_tables *t, uint64_t address)
{
	void *locations = t->locations;
	int r;

	if (!pa_pseudo_name(address) && pa_symbols_is_agent(address))
		return pa_map64_put(&t->location_ids, address, 0);
	r = pa_pages_grow(&locations, &t->locations_cap,
			  (t->location_count + 1) * sizeof(*t->locations));
	if (r < 0)
		return r;
	t->locations = locations;
	r = pa_map64_put(&t->location_ids, address, t->location_count + 1);
	if (r < 0)
		return r;
	t->locations[t->location_count++] = (struct pa_pprof_location){.address = address};
	return 0;
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

/* What pprof then does not ask for again. */
static void mark_known(const struct pa_pprof_tables *t, struct pa_pprof_mapping *m,
		       const struct pa_pprof_location *l)
{
	m->has_functions |= l->line_count > 0;
	m->has_inline_frames |= l->line_count > 1;
	for (uint32_t i = 0; i < l->line_count; i++) {
		const struct pa_pprof_line *line = &t->lines[l->line + i];

		m->has_filenames |= t->functions[line->function - 1].file != 0;
		m->has_line_numbers |= line->line != 0;
	}
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

		if (l->mapping == PA_PPROF_PSEUDO_MAPPING) {
			l->mapping = (uint32_t)count + 1;
			t->mapping_count = count + 1;
		}
		if (l->mapping)
			mark_known(t, &t->mappings[l->mapping - 1], l);
	}
	return t->mapping_count > count ? mapping_fill(t, &t->mappings[count], &pseudo) : 0;
}

static int value_type_add(struct pa_pprof_tables *t, const struct pa_value_type *v, uint32_t ret[2])
{
	int r = pa_strings_add(&t->strings, v->type, &ret[0]);

	return r < 0 ? r : pa_strings_add(&t->strings, v->unit, &ret[1]);
}

static int comment_add(struct pa_pprof_tables *t, const char *text)
{
	uint32_t string;
	int r = pa_strings_add(&t->strings, text, &string);

	if (r == 0)
		t->head.comments[t->head.comment_count++] = string;
	return r;
}

static int comments_add(struct pa_pprof_tables *t)
{
	struct pa_pprof_head *h = &t->head;
	size_t count = 0;
	int r;

	while (pa_profile_comment_get(t->profile, count))
		count++;
	h->comments = pa_arena_alloc(&t->arena, (count + 2) * sizeof(*h->comments));
	if (!h->comments)
		return -ENOMEM;
	r = comment_add(t, "profagent " PA_VERSION);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = comment_add(t, pa_profile_comment_get(t->profile, i));
	return r == 0 && t->remark ? comment_add(t, t->remark) : r;
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

int pa_pprof_tables_init(struct pa_pprof_tables *t, const struct pa_profile *p,
			 const struct pa_pprof_options *options)
{
	int r;

	if (p->type_count < 0 || p->type_count > PA_PROFILE_VALUES)
		return -EINVAL;
	t->profile = p;
	t->options = *options;
	r = pa_symbols_open(&t->symbols);
	for (size_t i = 0; r == 0 && i < pa_profile_count(p); i++) {
		struct pa_sample s = pa_profile_sample(p, i);

		r = sample_add(t, &s);
	}
	if (r == 0)
		r = pa_pprof_name_locations(t);
	if (r == 0)
		r = head_add(t);
	return r < 0 ? r : mappings_add(t);
}

void pa_pprof_tables_done(struct pa_pprof_tables *t)
{
	pa_map64_done(&t->location_ids);
	pa_map64_done(&t->function_ids);
	pa_pages_free(t->locations, t->locations_cap);
	pa_pages_free(t->lines, t->lines_cap);
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
