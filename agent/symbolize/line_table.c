/* SPDX-License-Identifier: Apache-2.0
 * Headers of line-number programs. Each format of a version has its own list of files. */
#include "agent/symbolize/line_table.h"

#include <dwarf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "agent/symbolize/guard.h"

#define ENTRIES_MAX ((size_t)1 << 20) /* directories or files of one program */

static bool grow(void **array, size_t *cap, size_t count, size_t size)
{
	size_t wanted = *cap ? *cap * 2 : 64;
	void *bigger;

	if (count < *cap)
		return true;
	bigger = wanted <= ENTRIES_MAX ? realloc(*array, wanted * size) : NULL;
	if (!bigger)
		return false;
	*array = bigger;
	*cap = wanted;
	return true;
}

static bool add_dir(struct pa_dbg_line_table *t, const char *dir)
{
	void *dirs = t->dirs;

	if (!grow(&dirs, &t->dir_cap, t->dir_count, sizeof(*t->dirs)))
		return false;
	t->dirs = dirs;
	t->dirs[t->dir_count++] = dir;
	return true;
}

bool pa_dbg_line_table_add(struct pa_dbg_line_table *t, const char *name, uint64_t dir)
{
	void *files = t->files;

	if (!grow(&files, &t->file_cap, t->file_count, sizeof(*t->files)))
		return false;
	t->files = files;
	t->files[t->file_count++] = (struct pa_dbg_line_file){name, dir, NULL};
	return true;
}

/* DWARF 2 to 4, where 0 is the compilation's directory and no file. */
static bool read_lists(struct pa_dbg_line_table *t, struct pa_dbg_cursor *c)
{
	const char *name;

	if (!add_dir(t, NULL) || !pa_dbg_line_table_add(t, NULL, 0))
		return false;
	while ((name = pa_dbg_text(c)) && *name) {
		if (pa_dbg_late() || !add_dir(t, name))
			return false;
	}
	while ((name = pa_dbg_text(c)) && *name) {
		uint64_t dir = pa_dbg_uleb(c);

		pa_dbg_uleb(c); /* time */
		pa_dbg_uleb(c); /* length */
		if (pa_dbg_late() || !pa_dbg_line_table_add(t, name, dir))
			return false;
	}
	return !c->bad;
}

static const char *text_at(const struct pa_dbg_bytes *section, uint64_t offset)
{
	struct pa_dbg_cursor c;
	size_t size;

	if (offset >= section->size)
		return NULL;
	/* Many entries may have the same text: what is too long for a path costs each only that. */
	size = PA_MIN(section->size - offset, PATH_MAX);
	c = (struct pa_dbg_cursor){section->at + offset, section->at + offset + size, false};
	return pa_dbg_text(&c);
}

struct forms {
	const struct pa_dbg_line_sections *sections;
	unsigned offset_size;
	struct pa_dbg_cursor list; /* pairs of content type and form */
	uint64_t count;
};

/* A field of an entry: a text or a number. */
static bool read_field(const struct forms *f, uint64_t form, struct pa_dbg_cursor *c,
		       const char **ret_text, uint64_t *ret_number)
{
	switch (form) {
	case DW_FORM_string:
		*ret_text = pa_dbg_text(c);
		break;
	case DW_FORM_line_strp:
		*ret_text = text_at(&f->sections->line_str, pa_dbg_uint(c, f->offset_size));
		break;
	case DW_FORM_strp:
		*ret_text = text_at(&f->sections->str, pa_dbg_uint(c, f->offset_size));
		break;
	case DW_FORM_udata:
		*ret_number = pa_dbg_uleb(c);
		break;
	case DW_FORM_data1:
		*ret_number = pa_dbg_uint(c, 1);
		break;
	case DW_FORM_data2:
		*ret_number = pa_dbg_uint(c, 2);
		break;
	case DW_FORM_data4:
		*ret_number = pa_dbg_uint(c, 4);
		break;
	case DW_FORM_data8:
		*ret_number = pa_dbg_uint(c, 8);
		break;
	case DW_FORM_data16: /* MD5 */
		pa_dbg_take(c, 16);
		break;
	case DW_FORM_block:
		pa_dbg_take(c, pa_dbg_uleb(c));
		break;
	default:
		c->bad = true;
	}
	return !c->bad;
}

static bool read_entry(const struct forms *f, struct pa_dbg_cursor *c, const char **ret_name,
		       uint64_t *ret_dir)
{
	struct pa_dbg_cursor list = f->list;

	*ret_name = NULL;
	*ret_dir = 0;
	for (uint64_t i = 0; i < f->count; i++) {
		uint64_t type = pa_dbg_uleb(&list), form = pa_dbg_uleb(&list), number = 0;
		const char *text = NULL;

		if (!read_field(f, form, c, &text, &number))
			return false;
		if (type == DW_LNCT_path)
			*ret_name = text;
		else if (type == DW_LNCT_directory_index)
			*ret_dir = number;
	}
	return true;
}

/* DWARF 5: the formats of entries, then the entries. */
static bool read_table(struct pa_dbg_line_table *t, struct forms *f, struct pa_dbg_cursor *c,
		       bool files)
{
	uint64_t count;

	f->count = pa_dbg_uint(c, 1);
	f->list = *c;
	for (uint64_t i = 0; i < f->count; i++) {
		pa_dbg_uleb(c);
		pa_dbg_uleb(c);
	}
	count = pa_dbg_uleb(c);
	/* Each form takes at least a byte, so that a large count ends. */
	if (count && !f->count)
		return false;
	for (uint64_t i = 0; i < count; i++) {
		const char *name;
		uint64_t dir;

		if (pa_dbg_late() || !read_entry(f, c, &name, &dir) ||
		    !(files ? pa_dbg_line_table_add(t, name, dir) : add_dir(t, name)))
			return false;
	}
	return !c->bad;
}

/* The fields in front of directories and files. Sets *ret_program to where the program begins. */
static bool read_head(struct pa_dbg_line_table *t, struct pa_dbg_cursor *c, unsigned *offset_size,
		      const uint8_t **ret_program)
{
	uint64_t length = pa_dbg_uint(c, 4);
	unsigned base;

	*offset_size = length == 0xffffffff ? 8 : 4;
	if (*offset_size == 8)
		length = pa_dbg_uint(c, 8);
	if (c->bad || length > pa_dbg_left(c))
		return false;
	c->end = c->at + length;
	t->version = (unsigned)pa_dbg_uint(c, 2);
	if (t->version < 2 || t->version > 5)
		return false;
	if (t->version == 5) {
		t->address_size = (unsigned)pa_dbg_uint(c, 1);
		pa_dbg_uint(c, 1); /* size of segment selectors */
	}
	length = pa_dbg_uint(c, *offset_size);
	if (c->bad || length > pa_dbg_left(c) || t->address_size < 1 || t->address_size > 8)
		return false;
	*ret_program = c->at + length;
	t->min_inst = (unsigned)pa_dbg_uint(c, 1);
	t->max_ops = t->version >= 4 ? (unsigned)pa_dbg_uint(c, 1) : 1;
	pa_dbg_uint(c, 1); /* default of is_stmt */
	base = (unsigned)pa_dbg_uint(c, 1);
	t->line_base = (int)(base ^ 0x80) - 0x80; /* signed */
	t->line_range = (unsigned)pa_dbg_uint(c, 1);
	t->opcode_base = (unsigned)pa_dbg_uint(c, 1);
	if (!t->opcode_base || !t->line_range)
		return false;
	t->opcode_lengths = pa_dbg_take(c, t->opcode_base - 1);
	return !c->bad && c->at <= *ret_program;
}

int pa_dbg_line_table_open(const struct pa_dbg_line_sections *s, uint64_t offset,
			   unsigned address_size, struct pa_dbg_line_table *ret)
{
	struct pa_dbg_line_table t = {.address_size = address_size};
	struct forms f = {.sections = s};
	struct pa_dbg_cursor c;
	const uint8_t *program;
	bool good;

	if (offset >= s->line.size)
		return -EBADMSG;
	c = (struct pa_dbg_cursor){s->line.at + offset, s->line.at + s->line.size, false};
	if (!read_head(&t, &c, &f.offset_size, &program))
		return -EBADMSG;
	t.program = (struct pa_dbg_cursor){program, c.end, false};
	c.end = program;
	good = t.version == 5 ? read_table(&t, &f, &c, false) && read_table(&t, &f, &c, true)
			      : read_lists(&t, &c);
	if (!good) {
		pa_dbg_line_table_close(&t);
		return -EBADMSG;
	}
	*ret = t;
	return 0;
}

void pa_dbg_line_table_close(struct pa_dbg_line_table *t)
{
	free(t->dirs);
	free(t->files);
	*t = (struct pa_dbg_line_table){0};
}

struct pa_dbg_line_file *pa_dbg_line_table_file(struct pa_dbg_line_table *t, uint64_t number)
{
	return number < t->file_count && t->files[number].name ? &t->files[number] : NULL;
}

const char *pa_dbg_line_table_dir(const struct pa_dbg_line_table *t,
				  const struct pa_dbg_line_file *f)
{
	return f->dir < t->dir_count ? t->dirs[f->dir] : NULL;
}
