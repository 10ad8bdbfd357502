/* SPDX-License-Identifier: Apache-2.0
 * Reads profiles back without protobuf-c: gunzip, then the wire format by hand. For unit tests;
 * anything malformed ends the program. */
#ifndef PA_TEST_PPROF_READ_H
#define PA_TEST_PPROF_READ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "test/tap.h"

#define READ_UNUSED __attribute__((unused))

READ_UNUSED __attribute__((noreturn)) static void read_fail(const char *why)
{
	ok(false, "%s", why);
	exit(tap_done());
}

/* Decompresses one whole gzip member with nothing behind it; free the result. */
READ_UNUSED static unsigned char *read_gunzip(const void *data, size_t len, size_t *ret_len)
{
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)data, .avail_in = (unsigned)len};
	size_t cap = len * 4 + 4096, used = 0;
	unsigned char *out = malloc(cap);
	int r;

	if (inflateInit2(&z, 15 + 16) != Z_OK)
		read_fail("inflateInit2");
	do {
		if (used == cap)
			out = realloc(out, cap *= 2);
		z.next_out = out + used;
		z.avail_out = (unsigned)(cap - used);
		r = inflate(&z, Z_NO_FLUSH);
		used = cap - z.avail_out;
		if (r != Z_OK && r != Z_STREAM_END)
			read_fail("not a gzip file");
	} while (r != Z_STREAM_END);
	if (z.avail_in)
		read_fail("bytes behind the gzip member");
	inflateEnd(&z);
	*ret_len = used;
	return out;
}

struct field {
	unsigned number, wire;
	uint64_t value;            /* wire 0 */
	const unsigned char *data; /* wire 2 */
	size_t len;
};

static uint64_t read_varint(const unsigned char **p, const unsigned char *end)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		unsigned char c;

		if (*p == end)
			read_fail("varint cut off");
		c = *(*p)++;
		if (shift == 63 && c > 1)
			read_fail("varint of more than 64 bits");
		v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80))
			return v;
	}
	read_fail("varint without end");
}

static bool read_field(const unsigned char **p, const unsigned char *end, struct field *f)
{
	uint64_t tag;

	if (*p == end)
		return false;
	tag = read_varint(p, end);
	*f = (struct field){.number = (unsigned)(tag >> 3), .wire = tag & 7};
	if (f->wire == 0) {
		f->value = read_varint(p, end);
	} else if (f->wire == 2) {
		f->len = read_varint(p, end);
		if (f->len > (size_t)(end - *p))
			read_fail("field longer than its message");
		f->data = *p;
		*p += f->len;
	} else {
		read_fail("wire type that profiles do not use");
	}
	return true;
}

#define READ_MAX 300000
#define READ_FEW 16

struct read_sample {
	uint64_t *locations;
	int64_t values[READ_FEW];
	size_t location_count, value_count;
};
struct read_mapping {
	uint64_t f[11]; /* by field number */
};
struct read_line {
	uint64_t function, line, column;
};
struct read_location {
	uint64_t id, mapping, address, function; /* function: of the last line */
	struct read_line line[READ_FEW];
	size_t lines;
};
struct read_function {
	uint64_t f[6]; /* by field number */
};

struct read_profile {
	unsigned char *raw;
	uint64_t sample_type[READ_FEW][3], period_type[3]; /* [1] type, [2] unit */
	struct read_sample *samples;
	struct read_mapping mappings[4096];
	struct read_location *locations;
	struct read_function *functions;
	char **strings;
	int64_t comments[READ_FEW * 4];
	uint64_t scalar[16]; /* by field number */
	size_t sample_types, sample_count, mapping_count, location_count, function_count,
		string_count, comment_count;
	unsigned order[READ_MAX]; /* field numbers as they come, repeats left out */
	size_t order_count;
};

static void read_scalars(const struct field *m, uint64_t *fields, size_t count)
{
	const unsigned char *p = m->data;
	struct field f;

	while (read_field(&p, m->data + m->len, &f)) {
		if (f.wire != 0 || f.number >= count)
			read_fail("unexpected field");
		fields[f.number] = f.value;
	}
}

static void read_sample(const struct field *m, struct read_sample *s)
{
	const unsigned char *p = m->data, *q;
	struct field f;

	while (read_field(&p, m->data + m->len, &f)) {
		if (f.wire != 2 || f.number < 1 || f.number > 2)
			read_fail("unexpected field of a sample");
		q = f.data;
		if (f.number == 1)
			s->locations = calloc(f.len + 1, sizeof(*s->locations));
		while (q < f.data + f.len) {
			uint64_t v = read_varint(&q, f.data + f.len);

			if (f.number == 1)
				s->locations[s->location_count++] = v;
			else if (s->value_count < READ_FEW)
				s->values[s->value_count++] = (int64_t)v;
		}
	}
}

static void read_location(const struct field *m, struct read_location *l)
{
	const unsigned char *p = m->data;
	struct field f;

	while (read_field(&p, m->data + m->len, &f)) {
		uint64_t line[4] = {0};

		if (f.number == 1)
			l->id = f.value;
		else if (f.number == 2)
			l->mapping = f.value;
		else if (f.number == 3)
			l->address = f.value;
		else if (f.number != 4)
			read_fail("unexpected field of a location");
		if (f.number != 4)
			continue;
		read_scalars(&f, line, 4);
		l->function = line[1];
		if (l->lines < READ_FEW)
			l->line[l->lines] = (struct read_line){line[1], line[2], line[3]};
		l->lines++;
	}
}

static void read_comments(const struct field *f, struct read_profile *r)
{
	const unsigned char *p = f->data;

	while (p < f->data + f->len && r->comment_count < READ_FEW * 4)
		r->comments[r->comment_count++] = (int64_t)read_varint(&p, f->data + f->len);
}

static void read_profile_field(const struct field *f, struct read_profile *r)
{
	if (f->number > 15 || r->sample_count == READ_MAX || r->string_count == READ_MAX ||
	    r->location_count == READ_MAX || r->function_count == READ_MAX)
		read_fail("unexpected field of the profile");
	if (!r->order_count || r->order[r->order_count - 1] != f->number)
		r->order[r->order_count++] = f->number;
	if (f->wire == 0)
		r->scalar[f->number] = f->value;
	else if (f->number == 1)
		read_scalars(f, r->sample_type[r->sample_types++], 3);
	else if (f->number == 2)
		read_sample(f, &r->samples[r->sample_count++]);
	else if (f->number == 3)
		read_scalars(f, r->mappings[r->mapping_count++].f, 11);
	else if (f->number == 4)
		read_location(f, &r->locations[r->location_count++]);
	else if (f->number == 5)
		read_scalars(f, r->functions[r->function_count++].f, 6);
	else if (f->number == 6)
		r->strings[r->string_count++] = strndup((const char *)f->data, f->len);
	else if (f->number == 11)
		read_scalars(f, r->period_type, 3);
	else if (f->number == 13)
		read_comments(f, r);
	else
		read_fail("a number was expected");
}

READ_UNUSED static struct read_profile *read_profile(const void *gz, size_t gz_len)
{
	struct read_profile *r = calloc(1, sizeof(*r));
	const unsigned char *p;
	struct field f;
	size_t len;

	r->raw = read_gunzip(gz, gz_len, &len);
	r->samples = calloc(READ_MAX, sizeof(*r->samples));
	r->locations = calloc(READ_MAX, sizeof(*r->locations));
	r->functions = calloc(READ_MAX, sizeof(*r->functions));
	r->strings = calloc(READ_MAX, sizeof(*r->strings));
	p = r->raw;
	while (read_field(&p, r->raw + len, &f))
		read_profile_field(&f, r);
	return r;
}

READ_UNUSED static void read_profile_free(struct read_profile *r)
{
	for (size_t i = 0; i < r->sample_count; i++)
		free(r->samples[i].locations);
	for (size_t i = 0; i < r->string_count; i++)
		free(r->strings[i]);
	free(r->samples);
	free(r->locations);
	free(r->functions);
	free(r->strings);
	free(r->raw);
	free(r);
}

READ_UNUSED static const char *read_string(const struct read_profile *r, uint64_t i)
{
	return i < r->string_count ? r->strings[i] : "(no such string)";
}

/* The rules that readers enforce; NULL or what is wrong. */
READ_UNUSED static const char *read_invalid(const struct read_profile *r)
{
	if (!r->string_count || r->strings[0][0])
		return "string 0 is not empty";
	if (!r->mapping_count)
		return "no mapping";
	for (size_t i = 0; i < r->mapping_count; i++) {
		const uint64_t *f = r->mappings[i].f;

		if (f[1] != i + 1 || f[5] >= r->string_count || f[6] >= r->string_count)
			return "mapping";
	}
	for (size_t i = 0; i < r->function_count; i++) {
		const uint64_t *f = r->functions[i].f;

		if (f[1] != i + 1 || f[2] >= r->string_count || f[3] >= r->string_count ||
		    f[4] >= r->string_count)
			return "function";
	}
	for (size_t i = 0; i < r->location_count; i++) {
		const struct read_location *l = &r->locations[i];

		if (l->id != i + 1 || l->mapping > r->mapping_count ||
		    l->function > r->function_count || (l->lines && !l->function))
			return "location";
	}
	for (size_t i = 0; i < r->sample_count; i++) {
		const struct read_sample *s = &r->samples[i];

		if (s->value_count != r->sample_types)
			return "sample's values";
		for (size_t j = 0; j < s->location_count; j++) {
			if (!s->locations[j] || s->locations[j] > r->location_count)
				return "sample's location";
		}
	}
	return NULL;
}

/* Name of frame `depth` of a sample. */
READ_UNUSED static const char *read_frame(const struct read_profile *r, size_t sample, size_t depth)
{
	const struct read_sample *s = &r->samples[sample];
	const struct read_location *l;

	if (depth >= s->location_count)
		return "(no such frame)";
	l = &r->locations[s->locations[depth] - 1];
	return l->function ? read_string(r, r->functions[l->function - 1].f[2]) : "";
}

#endif
