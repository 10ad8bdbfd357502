/* SPDX-License-Identifier: Apache-2.0
 * Source files in the names that compilers give to the code they make. */
#include <string.h>

#include "agent/base/fmt.h"
#include "agent/base/parse.h"
#include "agent/symbols/perfmap.h"

struct span {
	const char *s, *end;
};

static bool starts_with(struct span text, const char *prefix)
{
	const size_t len = strlen(prefix);

	return (size_t)(text.end - text.s) >= len && !memcmp(text.s, prefix, len);
}

static bool skip_prefix(struct span *text, const char *prefix)
{
	if (!starts_with(*text, prefix))
		return false;
	text->s += strlen(prefix);
	return true;
}

/* Takes ":DIGITS" off the end. */
static bool cut_number(struct span *text, uint32_t *ret)
{
	const char *s = text->end, *digits;
	uint64_t value;

	while (s > text->s && s[-1] >= '0' && s[-1] <= '9')
		s--;
	digits = s;
	if (s == text->s || s[-1] != ':' || !pa_scan_u64(&digits, text->end, 10, &value))
		return false;
	text->end = s - 1;
	*ret = value > UINT32_MAX ? 0 : (uint32_t)value;
	return true;
}

/* What a file's name begins with in V8. */
static bool starts_file(struct span text)
{
	static const char *const starts[] = {"/", "node:", "file://", "http://", "https://"};

	for (size_t i = 0; i < PA_ARRAY_LEN(starts); i++) {
		if (starts_with(text, starts[i]))
			return true;
	}
	return false;
}

/* "FUNCTION FILE", both of which may have spaces in them ("get size", "async go"). The file begins
 * where one is sure to begin, or else behind the only space. */
static bool cut_function(struct span *text)
{
	const char *only = NULL;
	int spaces = 0;

	for (const char *s = text->s; s < text->end; s++) {
		if (*s != ' ')
			continue;
		if (starts_file((struct span){s + 1, text->end})) {
			text->s = s + 1;
			return true;
		}
		only = s;
		spaces++;
	}
	if (spaces != 1)
		return false;
	text->s = only + 1;
	return true;
}

/* "JS:*FUNCTION FILE:LINE:COLUMN"; the tier of the compiler (~ ^ + *) belongs to the function. Older
 * versions have no column. */
static bool source_v8(struct span *text, uint32_t *ret_line)
{
	static const char *const kinds[] = {"JS:", "LazyCompile:", "Function:", "Eval:", "Script:"};
	uint32_t line = 0, number = 0;
	bool known = false;

	for (size_t i = 0; i < PA_ARRAY_LEN(kinds) && !known; i++)
		known = skip_prefix(text, kinds[i]);
	if (!known || !cut_number(text, &number))
		return false;
	if (!cut_number(text, &line))
		line = number;
	if (!cut_function(text))
		return false;
	/* A module's URL is a path; one with %20 in it is not. */
	if (!memchr(text->s, '%', (size_t)(text->end - text->s)))
		skip_prefix(text, "file://");
	*ret_line = line;
	return true;
}

/* "py::QUALIFIED.NAME:FILE", where the name has no colon. */
static bool source_python(struct span *text)
{
	const char *colon;

	if (!skip_prefix(text, "py::"))
		return false;
	colon = memchr(text->s, ':', (size_t)(text->end - text->s));
	if (!colon)
		return false;
	text->s = colon + 1;
	return true;
}

/* "TRACE_NUMBER::FILE:LINE". */
static bool source_lua(struct span *text, uint32_t *ret_line)
{
	uint64_t trace;

	return skip_prefix(text, "TRACE_") && pa_scan_u64(&text->s, text->end, 10, &trace) &&
	       skip_prefix(text, "::") && cut_number(text, ret_line);
}

void pa_perfmap_source(const char *name, char *file, size_t size, uint32_t *ret_line)
{
	const struct span whole = {name, name + strlen(name)};
	struct span text = whole;
	uint32_t line = 0;
	bool found = source_v8(&text, &line);

	if (!found) {
		text = whole;
		found = source_python(&text);
	}
	if (!found) {
		text = whole;
		found = source_lua(&text, &line);
	}
	if (!found || text.s == text.end || (size_t)(text.end - text.s) >= size) {
		text.s = text.end;
		line = 0;
	}
	pa_fmt(file, size, "%.*s", (int)(text.end - text.s), text.s);
	*ret_line = line;
}
