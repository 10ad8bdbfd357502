/* SPDX-License-Identifier: Apache-2.0
 * A line-number program (.debug_line, DWARF 2 to 5): its files, and the rows that addresses belong
 * to. Not libdw's, which keeps all rows of a unit in memory until the file is closed: here a
 * program is run past the wanted addresses. */
#ifndef PA_SYMBOLIZE_LINE_TABLE_H
#define PA_SYMBOLIZE_LINE_TABLE_H

#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/symbolize/cursor.h"

struct pa_dbg_line_sections {
	struct pa_dbg_bytes line, line_str, str;
};

struct pa_dbg_line_file {
	const char *name; /* in the section */
	uint64_t dir;
	const char *path; /* for the user to set; NULL at first */
};

struct pa_dbg_line_table {
	unsigned version, address_size, min_inst, max_ops, line_range, opcode_base;
	int line_base;
	const uint8_t *opcode_lengths; /* [opcode_base - 1] */
	struct pa_dbg_cursor program;
	const char **dirs;
	struct pa_dbg_line_file *files;
	size_t dir_count, file_count, dir_cap, file_cap;
};

/* Reads the header at `offset`. Free with close. 0, -EBADMSG or -ENOMEM. */
int pa_dbg_line_table_open(const struct pa_dbg_line_sections *s, uint64_t offset,
			   unsigned address_size, struct pa_dbg_line_table *ret) PA_CHECKED;
void pa_dbg_line_table_close(struct pa_dbg_line_table *t);

/* The file with that number of the program's, from 0 with DWARF 5 and 1 before. NULL: none. */
struct pa_dbg_line_file *pa_dbg_line_table_file(struct pa_dbg_line_table *t, uint64_t number);

/* The directory of a file; NULL when it is the compilation's. */
const char *pa_dbg_line_table_dir(const struct pa_dbg_line_table *t,
				  const struct pa_dbg_line_file *f);

/* Adds a file, as a program may. False when there are too many. */
bool pa_dbg_line_table_add(struct pa_dbg_line_table *t, const char *name, uint64_t dir);

struct pa_dbg_row {
	uint64_t file;
	uint32_t line, column;
	bool found;
};

/* From line_rows.c. For each address (ascending) the row it belongs to: of rows at one address the last counts, as
 * with addr2line. Ends early when the program is malformed. Adds files the program defines. */
void pa_dbg_line_table_rows(struct pa_dbg_line_table *t, const uint64_t *addrs, size_t count,
			    struct pa_dbg_row *ret);

#endif
