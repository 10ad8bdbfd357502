/* SPDX-License-Identifier: Apache-2.0
 * Line-number programs. The input is the sizes of .debug_line_str and .debug_str (two bytes each),
 * these sections, and .debug_line. One question for all addresses and one for each of them have the
 * same answers. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/base/compiler.h"
#include "agent/symbolize/guard.h"
#include "agent/symbolize/line_table.h"
#include "agent/symbolize/path.h"

#define JOB_MS 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where the seeds have their code, and the ends of everything. */
static const uint64_t addrs[] = {
	0,      1,      0x250,  0x260,      0x268,          0x270,          0x278,
	0x280,  0x290,  0x2a0,  0x2b0,      0x2c0,          0x300,          0x1000,
	0x1004, 0x1010, 0x1040, 0x7fffffff, 0x7fffffffffff, UINT64_MAX - 2, UINT64_MAX};
#define ADDRS PA_ARRAY_LEN(addrs)

static void check(bool good)
{
	if (!good)
		abort();
}

/* At its exact size, so that a byte read behind the end is seen. */
static struct pa_dbg_bytes section(const uint8_t **at, size_t *left, size_t size)
{
	struct pa_dbg_bytes s = {.size = PA_MIN(size, *left)};
	uint8_t *copy = s.size ? malloc(s.size) : NULL;

	if (copy)
		memcpy(copy, *at, s.size);
	s.at = copy;
	*at += s.size;
	*left -= s.size;
	return s;
}

static bool is_inside(const struct pa_dbg_bytes *s, const char *text)
{
	const uint8_t *at = (const uint8_t *)text;

	return s->size && at >= s->at && at < s->at + s->size &&
	       memchr(at, 0, (size_t)(s->at + s->size - at));
}

static void check_text(const struct pa_dbg_line_sections *s, const char *text)
{
	check(!text || is_inside(&s->line, text) || is_inside(&s->line_str, text) ||
	      is_inside(&s->str, text));
}

static void check_files(const struct pa_dbg_line_sections *s, struct pa_dbg_line_table *t)
{
	char path[300];

	for (size_t i = 0; i < t->file_count + 2; i++) {
		const struct pa_dbg_line_file *f = pa_dbg_line_table_file(t, i);
		const char *dir = f ? pa_dbg_line_table_dir(t, f) : NULL;
		size_t len;

		if (!f)
			continue;
		check(i < t->file_count);
		check_text(s, f->name);
		check_text(s, dir);
		len = pa_dbg_path_join("/src", dir, f->name, path, sizeof(path));
		check(len < sizeof(path) && strlen(path) == len);
	}
	check(!pa_dbg_line_table_file(t, UINT64_MAX));
}

static bool same(const struct pa_dbg_row *a, const struct pa_dbg_row *b)
{
	return a->found == b->found &&
	       (!a->found || (a->file == b->file && a->line == b->line && a->column == b->column));
}

static void use(void *arg)
{
	const struct pa_dbg_line_sections *s = arg;
	struct pa_dbg_line_table t;
	struct pa_dbg_row rows[ADDRS], one;
	/* Each directory and file takes at least a byte. */
	const size_t most = s->line.size * (ADDRS + 2) + 2;

	if (pa_dbg_line_table_open(s, 0, 8, &t) < 0)
		return;
	check(t.version >= 2 && t.version <= 5 && t.program.at >= s->line.at &&
	      t.program.at <= t.program.end && t.program.end <= s->line.at + s->line.size);
	check_files(s, &t);
	pa_dbg_line_table_rows(&t, addrs, ADDRS, rows);
	for (size_t i = 0; i < ADDRS; i++) {
		pa_dbg_line_table_rows(&t, addrs + i, 1, &one);
		check(same(&rows[i], &one));
	}
	check(t.file_count <= most && t.dir_count <= most);
	check_files(s, &t);
	pa_dbg_line_table_close(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pa_dbg_line_sections s;
	const clock_t start = clock();
	size_t line_str, str;

	if (size < 4)
		return 0;
	line_str = (size_t)data[0] | (size_t)data[1] << 8;
	str = (size_t)data[2] | (size_t)data[3] << 8;
	data += 4;
	size -= 4;
	s.line_str = section(&data, &size, line_str);
	s.str = section(&data, &size, str);
	s.line = section(&data, &size, size);
	pa_dbg_budget_begin(JOB_MS);
	check(pa_dbg_guard(use, &s, JOB_MS) == 0);
	check((clock() - start) / (CLOCKS_PER_SEC / 1000) < JOB_MS);
	free((void *)(uintptr_t)s.line_str.at);
	free((void *)(uintptr_t)s.str.at);
	free((void *)(uintptr_t)s.line.at);
	return 0;
}
