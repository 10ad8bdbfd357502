/* SPDX-License-Identifier: Apache-2.0
 * Functions, inlined calls and lines of addresses in one compile unit. */
#include <dwarf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "agent/symbolize/answer.h"
#include "agent/symbolize/guard.h"
#include "agent/symbolize/inlines.h"
#include "agent/symbolize/module.h"
#include "agent/symbolize/path.h"

struct target {
	uint64_t addr;
	uint64_t function; /* offset of its DIE, 0: none */
	uint32_t index;    /* into answer->wanted */
	struct pa_dbg_row row;
};

struct job {
	struct pa_dbg_answer *a;
	struct pa_dbg_unit *unit;
	Dwarf_Die split; /* of the unit or of its .dwo file: has the functions */
	const char *comp_dir;
	struct pa_dbg_line_table lines; /* with the rows */
	struct pa_dbg_line_table dwo;   /* with the files of calls, if it has files */
	struct target *targets;
	uint64_t *addrs; /* of the targets, in their order */
	size_t count;
};

static uint64_t number_of(Dwarf_Die *die, unsigned at)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	return dwarf_attr(die, at, &attr) && dwarf_formudata(&attr, &value) == 0 ? value : 0;
}

/* What a directory of the line table is relative to. A compilation's directory that is relative
 * itself ("./lib", "lib") was written by -ffile-prefix-map. Others that look alike were so too and
 * are beside it, not in it. The first one of DWARF 5 is that directory again. */
static const char *base_of(const struct job *j, const char *dir)
{
	if (!j->comp_dir || !dir || j->comp_dir[0] == '/')
		return j->comp_dir;
	if (!strncmp(j->comp_dir, "./", 2))
		return strncmp(dir, "./", 2) ? j->comp_dir : NULL;
	return dir[0] == '.' || j->comp_dir[0] == '.' ? j->comp_dir : NULL;
}

/* Absolute where the compilation's directory is; "" when the file is not known. */
static const char *path_of(struct job *j, struct pa_dbg_line_table *t, uint64_t number)
{
	struct pa_dbg_line_file *f = pa_dbg_line_table_file(t, number);
	const char *dir;
	char buf[PA_MIN(PATH_MAX, PA_SYMBOLIZE_TEXT)];
	size_t len;

	if (!f)
		return "";
	if (!f->path) {
		dir = pa_dbg_line_table_dir(t, f);
		len = pa_dbg_path_join(base_of(j, dir), dir, f->name, buf, sizeof(buf));
		f->path = pa_arena_strndup(&j->a->arena, buf, len);
	}
	return f->path ? f->path : "";
}

static void open_lines(struct job *j)
{
	const struct pa_dbg_module *m = j->a->names.module;
	struct pa_dbg_line_sections dwo = {0};
	Dwarf_Attribute attr;
	Dwarf_Word offset;
	Elf *elf;

	if (dwarf_attr(&j->unit->die, DW_AT_comp_dir, &attr) ||
	    dwarf_attr(&j->split, DW_AT_comp_dir, &attr))
		j->comp_dir = dwarf_formstring(&attr);
	/* Errors leave a table without files and rows. */
	if (dwarf_attr(&j->unit->die, DW_AT_stmt_list, &attr) &&
	    dwarf_formudata(&attr, &offset) == 0 &&
	    pa_dbg_line_table_open(&m->lines, offset, 8, &j->lines) < 0)
		return;
	if (j->split.cu == j->unit->die.cu)
		return;
	elf = dwarf_getelf(dwarf_cu_getdwarf(j->split.cu));
	if (pa_dbg_file_section(elf, ".debug_line.dwo", &dwo.line)) {
		pa_dbg_file_section(elf, ".debug_str.dwo", &dwo.str);
		if (pa_dbg_line_table_open(&dwo, 0, 8, &j->dwo) < 0)
			return;
	}
}

static int find_rows(struct job *j)
{
	struct pa_dbg_row *rows = calloc(j->count, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	if (j->lines.program.at)
		pa_dbg_line_table_rows(&j->lines, j->addrs, j->count, rows);
	for (size_t i = 0; i < j->count; i++)
		j->targets[i].row = rows[i];
	free(rows);
	return 0;
}

static size_t find_functions(struct job *j)
{
	const struct pa_dbg_ranges *ranges = &j->unit->functions.ranges;
	size_t found = 0;

	for (size_t i = 0; i < j->count; i++)
		found += pa_dbg_ranges_find(ranges, j->targets[i].addr, &j->targets[i].function, 1);
	return found;
}

/* Reads the unit's functions as far as needed to find one for each address. */
static int read_functions(struct job *j)
{
	struct pa_dbg_functions *f = &j->unit->functions;
	int r = 0;

	while (r == 0 && find_functions(j) < j->count && f->depth < PA_DBG_EVERYTHING)
		r = pa_dbg_functions_read(f, &j->split, f->depth + 1);
	return r;
}

struct place {
	const char *file;
	uint32_t line, column;
};

static struct place place_of_row(struct job *j, const struct pa_dbg_row *row)
{
	if (!row->found)
		return (struct place){"", 0, 0};
	return (struct place){path_of(j, &j->lines, row->file), row->line, row->column};
}

static struct place place_of_call(struct job *j, Dwarf_Die *call)
{
	struct pa_dbg_line_table *files = j->dwo.file_count ? &j->dwo : &j->lines;

	return (struct place){
		path_of(j, files, number_of(call, DW_AT_call_file)),
		(uint32_t)number_of(call, DW_AT_call_line),
		(uint32_t)number_of(call, DW_AT_call_column),
	};
}

static void add_frame(struct pa_dbg_frame *frames, size_t *count,
		      const struct pa_dbg_function *function, const struct place *p)
{
	if (function)
		frames[(*count)++] = (struct pa_dbg_frame){function, p->line, p->column};
}

struct function {
	Dwarf_Die die;
	uint64_t entry;
	struct pa_dbg_inlines inlines;
};

/* From the innermost call outwards: a call says where the next outer function made it. */
static void give_frames(struct job *j, struct function *f, const struct target *t, int32_t call)
{
	struct pa_dbg_frame frames[PA_SYMBOLIZE_LINES];
	struct place p = place_of_row(j, &t->row);
	size_t count = 0;

	for (; call >= 0 && count < PA_SYMBOLIZE_LINES - 1; call = f->inlines.calls[call].parent) {
		Dwarf_Die *die = &f->inlines.calls[call].die, origin = *die;

		pa_dbg_name_origin(&origin);
		add_frame(frames, &count, pa_dbg_answer_die(j->a, &origin, 0, p.file), &p);
		p = place_of_call(j, die);
	}
	if (call < 0)
		add_frame(frames, &count, pa_dbg_answer_die(j->a, &f->die, f->entry, p.file), &p);
	if (count)
		pa_dbg_answer_give(j->a, t->index, frames, count);
}

static uint64_t entry_of(Dwarf_Die *die)
{
	Dwarf_Addr base, low, high;

	return dwarf_ranges(die, 0, &base, &low, &high) > 0 ? low : 0;
}

/* Targets from..to are those of one function. */
static int do_function(struct job *j, size_t from, size_t to)
{
	struct function f = {0};
	int r;

	if (!dwarf_offdie(dwarf_cu_getdwarf(j->split.cu), j->targets[from].function, &f.die))
		return 0;
	f.entry = entry_of(&f.die);
	r = pa_dbg_inlines_read(&f.inlines, &f.die, j->addrs + from, to - from);
	for (size_t i = from; r == 0 && i < to && !pa_dbg_late(); i++)
		give_frames(j, &f, &j->targets[i], f.inlines.innermost[i - from]);
	pa_dbg_inlines_free(&f.inlines);
	return r;
}

/* For what has no function: it may have a name in the symbol table. */
static void keep_line(struct job *j, const struct target *t)
{
	struct pa_dbg_wanted *w = &j->a->wanted[t->index];
	struct place p;

	if (w->done || w->file || !t->row.found)
		return;
	p = place_of_row(j, &t->row);
	w->file = p.file;
	w->line = p.line;
	w->column = p.column;
}

static int compare_targets(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	if (x->function != y->function)
		return x->function < y->function ? -1 : 1;
	return (x->addr > y->addr) - (x->addr < y->addr);
}

static int do_functions(struct job *j)
{
	size_t from = 0, to;
	int r = 0;

	qsort(j->targets, j->count, sizeof(*j->targets), compare_targets);
	for (size_t i = 0; i < j->count; i++)
		j->addrs[i] = j->targets[i].addr;
	for (; r == 0 && from < j->count; from = to) {
		for (to = from; to < j->count; to++) {
			if (j->targets[to].function != j->targets[from].function)
				break;
		}
		if (j->targets[from].function)
			r = do_function(j, from, to);
	}
	return r;
}

static int run(struct job *j, const uint32_t *indexes)
{
	int r;

	for (size_t i = 0; i < j->count; i++) {
		j->targets[i].index = indexes[i];
		j->targets[i].addr = j->addrs[i] = j->a->wanted[indexes[i]].addr;
	}
	pa_dbg_unit_split(&j->a->names.module->units, j->unit, &j->split);
	open_lines(j);
	r = find_rows(j);
	if (r == 0)
		r = read_functions(j);
	if (r == 0)
		r = do_functions(j);
	for (size_t i = 0; i < j->count; i++)
		keep_line(j, &j->targets[i]);
	return r;
}

int pa_dbg_unit_lookup(struct pa_dbg_answer *a, size_t unit, const uint32_t *indexes, size_t count)
{
	struct job j = {.a = a, .unit = &a->names.module->units.units[unit], .count = count};
	int r = -ENOMEM;

	j.targets = calloc(count, sizeof(*j.targets));
	j.addrs = calloc(count, sizeof(*j.addrs));
	if (j.targets && j.addrs)
		r = run(&j, indexes);
	free(j.targets);
	free(j.addrs);
	pa_dbg_line_table_close(&j.lines);
	pa_dbg_line_table_close(&j.dwo);
	return r;
}
