/* SPDX-License-Identifier: Apache-2.0
 * The second pass over a profile: encodes it into a gzip stream. Each element of a repeated field
 * is packed as a Profile of its own; parts of one message that stand behind each other are the
 * whole message (protobuf's encoding, "Last One Wins"), so the file never stands in memory. */
#include <errno.h>

#include "agent/base/arena.h"
#include "agent/base/sink.h"
#include "agent/core/profile.h"
#include "agent/symbols/symbols.h"
#include "exporters/gzip.h"
#include "exporters/pprof.h"
#include "exporters/pprof_tables.h"
#include "profile.pb-c.h"

struct pa_pprof {
	struct pa_pprof_tables tables;
	struct pa_gzip gzip;
	ProtobufCBuffer buffer; /* leads into gzip */
	uint64_t *ids;          /* of one sample's locations */
};

static void append(ProtobufCBuffer *buffer, size_t len, const uint8_t *data)
{
	struct pa_pprof *e =
		(struct pa_pprof *)((char *)buffer - offsetof(struct pa_pprof, buffer));

	pa_sink_write(&e->gzip.sink, data, len);
}

/* protobuf-c allocates nothing here: it packs from the structures into the buffer. */
static void pack(struct pa_pprof *e, const Pprof__Profile *part)
{
	protobuf_c_message_pack_to_buffer(&part->base, &e->buffer);
}

static Pprof__ValueType value_type(const uint32_t strings[2])
{
	Pprof__ValueType v = PPROF__VALUE_TYPE__INIT;

	v.type = strings[0];
	v.unit = strings[1];
	return v;
}

static void write_head(struct pa_pprof *e)
{
	const struct pa_pprof_head *h = &e->tables.head;
	const struct pa_profile *p = e->tables.profile;
	Pprof__ValueType types[PA_PROFILE_VALUES], period_type = value_type(h->period_type);
	Pprof__ValueType *type_pointers[PA_PROFILE_VALUES];
	Pprof__Profile part = PPROF__PROFILE__INIT;

	for (int i = 0; i < p->type_count; i++) {
		types[i] = value_type(h->types[i]);
		type_pointers[i] = &types[i];
	}
	part.n_sample_type = (size_t)p->type_count;
	part.sample_type = type_pointers;
	part.time_nanos = (int64_t)p->time_ns;
	part.duration_nanos = (int64_t)p->duration_ns;
	part.period_type = &period_type;
	part.period = p->period;
	part.n_comment = h->comment_count;
	part.comment = h->comments;
	part.default_sample_type = h->default_type;
	pack(e, &part);
}

static void write_samples(struct pa_pprof *e)
{
	const struct pa_profile *p = e->tables.profile;
	const size_t count = pa_profile_count(p);
	int64_t values[PA_PROFILE_VALUES];
	Pprof__Sample sample = PPROF__SAMPLE__INIT, *pointer = &sample;
	Pprof__Profile part = PPROF__PROFILE__INIT;

	sample.location_id = e->ids;
	sample.value = values;
	sample.n_value = (size_t)p->type_count;
	part.n_sample = 1;
	part.sample = &pointer;
	for (size_t i = 0; i < count && !e->gzip.sink.error; i++) {
		struct pa_sample s = pa_profile_sample(p, i);

		for (int v = 0; v < p->type_count; v++)
			values[v] = s.values[v];
		sample.n_location_id = pa_pprof_stack(&e->tables, &s, e->ids);
		pack(e, &part);
	}
}

static void write_mappings(struct pa_pprof *e)
{
	Pprof__Mapping mapping = PPROF__MAPPING__INIT, *pointer = &mapping;
	Pprof__Profile part = PPROF__PROFILE__INIT;

	part.n_mapping = 1;
	part.mapping = &pointer;
	for (size_t i = 0; i < e->tables.mapping_count; i++) {
		const struct pa_pprof_mapping *m = &e->tables.mappings[i];

		mapping.id = i + 1;
		mapping.memory_start = m->start;
		mapping.memory_limit = m->limit;
		mapping.file_offset = m->offset;
		mapping.filename = m->file;
		mapping.build_id = m->build_id;
		mapping.has_functions = m->has_functions;
		mapping.has_filenames = m->has_filenames;
		mapping.has_line_numbers = m->has_line_numbers;
		mapping.has_inline_frames = m->has_inline_frames;
		pack(e, &part);
	}
}

static void write_locations(struct pa_pprof *e)
{
	Pprof__Line lines[PA_SYMBOLS_LINES], *line_pointers[PA_SYMBOLS_LINES];
	Pprof__Location location = PPROF__LOCATION__INIT, *pointer = &location;
	Pprof__Profile part = PPROF__PROFILE__INIT;

	for (size_t k = 0; k < PA_SYMBOLS_LINES; k++) {
		pprof__line__init(&lines[k]);
		line_pointers[k] = &lines[k];
	}
	location.line = line_pointers;
	part.n_location = 1;
	part.location = &pointer;
	for (size_t i = 0; i < e->tables.location_count && !e->gzip.sink.error; i++) {
		const struct pa_pprof_location *l = &e->tables.locations[i];

		location.id = i + 1;
		location.mapping_id = l->mapping;
		location.address = l->address;
		location.n_line = l->line_count;
		for (size_t k = 0; k < l->line_count; k++) {
			const struct pa_pprof_line *line = &e->tables.lines[l->line + k];

			lines[k].function_id = line->function;
			lines[k].line = line->line;
			lines[k].column = line->column;
		}
		pack(e, &part);
	}
}

static void write_functions(struct pa_pprof *e)
{
	Pprof__Function function = PPROF__FUNCTION__INIT, *pointer = &function;
	Pprof__Profile part = PPROF__PROFILE__INIT;

	part.n_function = 1;
	part.function = &pointer;
	for (size_t i = 0; i < e->tables.function_count && !e->gzip.sink.error; i++) {
		function.id = i + 1;
		function.name = e->tables.functions[i].name;
		function.system_name = e->tables.functions[i].system_name;
		function.filename = e->tables.functions[i].file;
		function.start_line = e->tables.functions[i].start_line;
		pack(e, &part);
	}
}

static void write_strings(struct pa_pprof *e)
{
	char *string;
	Pprof__Profile part = PPROF__PROFILE__INIT;

	part.n_string_table = 1;
	part.string_table = &string;
	for (size_t i = 0; i < e->tables.strings.count && !e->gzip.sink.error; i++) {
		string = (char *)(uintptr_t)e->tables.strings.items[i]; /* only read */
		pack(e, &part);
	}
}

int pa_pprof_new(const struct pa_profile *p, const struct pa_pprof_options *options,
		 struct pa_pprof **ret)
{
	struct pa_pprof *e = pa_pages_alloc(sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->buffer.append = append;
	r = pa_pprof_tables_init(&e->tables, p, options);
	if (r < 0)
		goto fail;
	r = -ENOMEM;
	e->ids = pa_arena_alloc(&e->tables.arena, (e->tables.depth + 1) * sizeof(*e->ids));
	if (!e->ids)
		goto fail;
	r = pa_gzip_init(&e->gzip, PA_GZIP_FASTEST);
	if (r < 0)
		goto fail;
	*ret = e;
	return 0;
fail:
	pa_pprof_free(e);
	return r;
}

int pa_pprof_write(struct pa_pprof *e, struct pa_sink *out)
{
	e->gzip.out = out;
	write_head(e);
	write_samples(e);
	write_mappings(e);
	write_locations(e);
	write_functions(e);
	write_strings(e);
	return pa_gzip_finish(&e->gzip);
}

void pa_pprof_free(struct pa_pprof *e)
{
	if (!e)
		return;
	pa_gzip_done(&e->gzip);
	pa_pprof_tables_done(&e->tables);
	pa_pages_free(e, sizeof(*e));
}
