/* SPDX-License-Identifier: Apache-2.0
 * The second step: names, files and lines of all locations. Line numbers are asked for at once, as
 * they come from another process. */
#include "exporters/pprof_locations.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/fmt.h"
#include "agent/base/log.h"
#include "agent/symbols/symbols.h"
#include "exporters/pprof_tables.h"

/* The number of a function that is there; 0 when there is none, with *ret_key free for it. */
static uint32_t function_find(const struct pa_pprof_tables *t, const struct pa_pprof_function *f,
			      uint64_t *ret_key)
{
	const uint64_t words[] = {f->name, f->system_name, f->file, f->start_line};
	uint64_t key = pa_hash_words(words, PA_ARRAY_LEN(words)), id;

	/* One whose hash is taken by another goes to the next free key. */
	while (pa_map64_get(&t->function_ids, key, &id)) {
		const struct pa_pprof_function *there = &t->functions[id - 1];

		if (there->name == f->name && there->system_name == f->system_name &&
		    there->file == f->file && there->start_line == f->start_line)
			return (uint32_t)id;
		key++;
	}
	*ret_key = key;
	return 0;
}

static int function_append(struct pa_pprof_tables *t, const struct pa_pprof_function *f,
			   uint64_t key)
{
	void *functions = t->functions;
	int r = pa_pages_grow(&functions, &t->functions_cap, (t->function_count + 1) * sizeof(*f));

	if (r < 0)
		return r;
	t->functions = functions;
	r = pa_map64_put(&t->function_ids, key, t->function_count + 1);
	if (r == 0)
		t->functions[t->function_count++] = *f;
	return r;
}

static int function_add(struct pa_pprof_tables *t, const struct pa_line *line, uint32_t *ret)
{
	struct pa_pprof_function f = {.start_line = line->start_line};
	uint64_t key = 0;
	int r;

	r = pa_strings_add(&t->strings, line->name, &f.name);
	if (r == 0)
		r = pa_strings_add(&t->strings, line->system_name, &f.system_name);
	if (r == 0)
		r = pa_strings_add(&t->strings, line->file, &f.file);
	if (r < 0)
		return r;
	*ret = function_find(t, &f, &key);
	if (*ret)
		return 0;
	r = function_append(t, &f, key);
	*ret = (uint32_t)t->function_count;
	return r;
}

static int line_append(struct pa_pprof_tables *t, const struct pa_line *line)
{
	struct pa_pprof_line l = {.line = line->line, .column = line->column};
	void *lines = t->lines;
	int r = function_add(t, line, &l.function);

	if (r == 0)
		r = pa_pages_grow(&lines, &t->lines_cap, (t->line_count + 1) * sizeof(l));
	if (r < 0)
		return r;
	t->lines = lines;
	t->lines[t->line_count++] = l;
	return 0;
}

static int lines_add(struct pa_pprof_tables *t, struct pa_pprof_location *l,
		     const struct pa_line *lines, size_t count)
{
	int r = 0;

	l->line = (uint32_t)t->line_count;
	l->line_count = (uint32_t)count;
	for (size_t i = 0; i < count && r == 0; i++)
		r = line_append(t, &lines[i]);
	return r;
}

/* The id of the mapping that contains an address, without reading its symbols. */
static uint32_t mapping_of(const struct pa_pprof_tables *t, uint64_t address)
{
	const size_t i = pa_symbols_mapping(t->symbols, address);

	return i == PA_NO_MAPPING ? 0 : (uint32_t)i + 1;
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

static int code_name(struct pa_pprof_tables *t, struct pa_pprof_location *l)
{
	struct pa_line lines[PA_SYMBOLS_LINES];
	struct pa_symbol symbol;
	size_t count, mapping_count;

	pa_symbols_resolve(t->symbols, l->address, &symbol);
	pa_symbols_mappings(t->symbols, &mapping_count);
	if (symbol.mapping < mapping_count)
		l->mapping = (uint32_t)symbol.mapping + 1;
	count = t->options.symbolize == PA_PPROF_SYMBOLIZE_LINES
			? pa_symbols_lines(t->symbols, l->address, &symbol, lines)
			: 0;
	if (count)
		return lines_add(t, l, lines, count);
	if (!symbol.known) {
		symbol.name = symbol.system_name = place_name(t, &symbol, l->address);
		if (!symbol.name)
			return -ENOMEM;
	}
	lines[0] = (struct pa_line){
		.name = symbol.name,
		.system_name = symbol.system_name,
		.file = symbol.file,
		.line = symbol.line,
		.start_line = symbol.line,
	};
	return lines_add(t, l, lines, 1);
}

static int location_name(struct pa_pprof_tables *t, struct pa_pprof_location *l)
{
	const char *pseudo = pa_pseudo_name(l->address);
	const struct pa_line line = {.name = pseudo, .system_name = pseudo};

	if (pseudo) {
		l->mapping = PA_PPROF_PSEUDO_MAPPING;
		return lines_add(t, l, &line, 1);
	}
	if (t->options.symbolize == PA_PPROF_SYMBOLIZE_NONE && !pa_symbols_is_kernel(l->address)) {
		l->mapping = mapping_of(t, l->address);
		return 0;
	}
	return code_name(t, l);
}

/* Keeps in mind why some addresses have no line numbers. */
static void remark(struct pa_pprof_tables *t, int error, size_t missing)
{
	char text[128];

	if (error == -ETIMEDOUT)
		pa_fmt(text, sizeof(text),
		       "%zu addresses have no line numbers: the time for them ran out; ask again",
		       missing);
	else
		pa_fmt(text, sizeof(text), "%zu addresses have no line numbers: %s", missing,
		       pa_errno_text(error));
	t->remark = pa_arena_strndup(&t->arena, text, strlen(text));
}

static int load_lines(struct pa_pprof_tables *t)
{
	const size_t bytes = (t->location_count + 1) * sizeof(uint64_t);
	uint64_t *addresses = pa_pages_alloc(bytes);
	size_t count = 0, missing = 0;
	int r;

	if (!addresses)
		return -ENOMEM;
	for (size_t i = 0; i < t->location_count; i++)
		if (!pa_pseudo_name(t->locations[i].address))
			addresses[count++] = t->locations[i].address;
	r = pa_symbols_load_lines(t->symbols, addresses, count,
				  pa_clock_mono() + t->options.budget_ns, &missing);
	pa_pages_free(addresses, bytes);
	if (r < 0)
		remark(t, r, missing);
	return 0;
}

int pa_pprof_name_locations(struct pa_pprof_tables *t)
{
	int r = 0;

	if (t->options.symbolize == PA_PPROF_SYMBOLIZE_LINES)
		r = load_lines(t);
	for (size_t i = 0; i < t->location_count && r == 0; i++)
		r = location_name(t, &t->locations[i]);
	return r;
}
