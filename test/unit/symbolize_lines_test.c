/* SPDX-License-Identifier: Apache-2.0
 * Line-number programs written by hand, of DWARF 4 and 5; then the same ones cut off and damaged at
 * every byte. */
#include "test/tap.h"

#include <dwarf.h>

#include "agent/symbolize/guard.h"
#include "agent/symbolize/line_table.h"

static uint8_t bytes[4096];
static size_t len;

static void put(uint64_t value, size_t size)
{
	memcpy(bytes + len, &value, size);
	len += size;
}

static void put_text(const char *text)
{
	memcpy(bytes + len, text, strlen(text) + 1);
	len += strlen(text) + 1;
}

static void patch(size_t at)
{
	uint32_t size = (uint32_t)(len - at - 4);

	memcpy(bytes + at, &size, 4);
}

/* Up to the list of directories; returns where the length of the header is. */
static size_t put_head(unsigned version)
{
	static const uint8_t lengths[] = {0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1};
	size_t at;

	len = 0;
	put(0, 4);
	put(version, 2);
	if (version == 5)
		put(8, 2);
	at = len;
	put(0, 4);
	put(1, 1); /* minimum_instruction_length */
	if (version >= 4)
		put(1, 1);
	put(1, 1);
	put((uint8_t)-3, 1);
	put(12, 1);
	put(13, 1);
	for (size_t i = 0; i < sizeof(lengths); i++)
		put(lengths[i], 1);
	return at;
}

static void put_lists(unsigned version)
{
	if (version < 5) {
		put_text("inc");
		put(0, 1);
		put_text("a.c");
		put(0, 3);
		put_text("b.h");
		put(1, 1);
		put(0, 2);
		put(0, 1);
		return;
	}
	put(1, 1);
	put(DW_LNCT_path, 1);
	put(DW_FORM_string, 1);
	put(2, 1);
	put_text("/src");
	put_text("inc");
	put(3, 1);
	put(DW_LNCT_path, 1);
	put(DW_FORM_string, 1);
	put(DW_LNCT_directory_index, 1);
	put(DW_FORM_udata, 1);
	put(DW_LNCT_MD5, 1);
	put(DW_FORM_data16, 1);
	put(2, 1);
	put_text("a.c");
	put(0, 1);
	put(0, 8);
	put(0, 8);
	put_text("b.h");
	put(1, 1);
	put(0, 8);
	put(0, 8);
}

static void put_address(uint64_t address)
{
	put(0, 1);
	put(9, 1);
	put(DW_LNE_set_address, 1);
	put(address, 8);
}

static void put_end(void)
{
	put(0, 1);
	put(1, 1);
	put(DW_LNE_end_sequence, 1);
}

/* 1000: a.c 5; 1004: b.h 9 column 7; 1008: first line 20, then 21 at the same address; to 1010. A
 * second sequence from 2000, a function that was left out, and one at 3000 that goes back. */
static void put_program(unsigned version)
{
	put_address(0x1000);
	put(DW_LNS_set_file, 1);
	put(version == 5 ? 0 : 1, 1);
	put(DW_LNS_advance_line, 1);
	put(4, 1);
	put(DW_LNS_copy, 1);
	put(DW_LNS_set_file, 1);
	put(version == 5 ? 1 : 2, 1);
	put(DW_LNS_set_column, 1);
	put(7, 1);
	put(13 + 4 * 12 + 3 + 4, 1); /* address + 4, line + 4 */
	put(DW_LNS_fixed_advance_pc, 1);
	put(4, 2);
	put(DW_LNS_advance_line, 1);
	put(11, 1);
	put(DW_LNS_copy, 1);
	put(13 + 3 + 1, 1);          /* line + 1 */
	put(DW_LNS_const_add_pc, 1); /* (255 - 13) / 12 = 20 */
	put(DW_LNS_advance_pc, 1);
	put(0x7f - 11, 1);
	put_end();
	put_address(0);
	put(DW_LNS_copy, 1);
	put(DW_LNS_advance_pc, 1);
	put(0xff, 1);
	put(0x7f, 1);
	put_end();
	put_address(0x3000);
	put(DW_LNS_copy, 1);
	put_address(0x2000);
	put(DW_LNS_advance_line, 1);
	put(9, 1);
	put(DW_LNS_copy, 1);
	put(DW_LNS_advance_pc, 1);
	put(16, 1);
	put_end();
}

static void build(unsigned version)
{
	size_t at = put_head(version);

	put_lists(version);
	patch(at);
	put_program(version);
	patch(0);
}

static int open_table(size_t size, struct pa_dbg_line_table *t)
{
	const struct pa_dbg_line_sections s = {.line = {bytes, size}};

	return pa_dbg_line_table_open(&s, 0, 8, t);
}

static void is_row(const struct pa_dbg_row *r, int line, int column, uint64_t file,
		   const char *name)
{
	ok(r->found && (int)r->line == line && (int)r->column == column && r->file == file,
	   "%s: %d:%u:%u in file %d", name, r->found, r->line, r->column, (int)r->file);
}

static const uint64_t addrs[] = {0x10,   0xfff,  0x1000, 0x1003, 0x1004, 0x1007, 0x1008,
				 0x100f, 0x1090, 0x1094, 0x2000, 0x200f, 0x2010, 0x3000};
#define ADDRS (sizeof(addrs) / sizeof(*addrs))

static void test_rows(unsigned version)
{
	const uint64_t a = version == 5 ? 0 : 1;
	struct pa_dbg_line_table t;
	struct pa_dbg_row rows[ADDRS];
	const struct pa_dbg_line_file *f;

	build(version);
	if (!ok(open_table(len, &t) == 0, "DWARF %u", version))
		return;
	pa_dbg_line_table_rows(&t, addrs, ADDRS, rows);
	ok(!rows[0].found, "nothing of a function that was left out");
	ok(!rows[1].found, "nothing before the first row");
	is_row(&rows[2], 5, 0, a, "the first row");
	is_row(&rows[3], 5, 0, a, "up to the second");
	is_row(&rows[4], 9, 7, a + 1, "a special opcode");
	is_row(&rows[5], 9, 7, a + 1, "up to the next");
	is_row(&rows[6], 21, 7, a + 1, "the last row at an address");
	is_row(&rows[7], 21, 7, a + 1, "and behind");
	ok(!rows[9].found, "nothing behind the end of a sequence");
	is_row(&rows[10], 10, 0, 1, "a row that goes back");
	is_row(&rows[11], 10, 0, 1, "up to the end");
	ok(!rows[12].found && !rows[13].found, "and no more");
	f = pa_dbg_line_table_file(&t, a + 1);
	if (ok(f != NULL, "a file")) {
		is_str(f->name, "b.h", "its name");
		is_str(pa_dbg_line_table_dir(&t, f), "inc", "its directory");
	}
	ok(!pa_dbg_line_table_file(&t, a + 2) && !pa_dbg_line_table_file(&t, UINT64_MAX),
	   "no other file");
	pa_dbg_line_table_close(&t);
}

/* Nothing is read outside (AddressSanitizer, and a copy that just fits), and it ends. */
static void test_hostile(unsigned version)
{
	struct pa_dbg_line_table t;
	struct pa_dbg_row rows[ADDRS];
	unsigned opened = 0, tried = 0;
	size_t whole;

	build(version);
	whole = len;
	for (size_t at = 0; at < whole; at++) {
		static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};

		for (size_t v = 0; v < sizeof(values); v++) {
			const struct pa_dbg_line_sections s = {.line = {malloc(whole), whole}};

			memcpy((void *)(uintptr_t)s.line.at, bytes, whole);
			((uint8_t *)(uintptr_t)s.line.at)[at] = values[v];
			tried++;
			if (pa_dbg_line_table_open(&s, 0, 8, &t) == 0) {
				opened++;
				pa_dbg_line_table_rows(&t, addrs, ADDRS, rows);
				pa_dbg_line_table_close(&t);
			}
			free((void *)(uintptr_t)s.line.at);
		}
		if (open_table(at, &t) == 0)
			pa_dbg_line_table_close(&t);
	}
	ok(opened > 0 && opened < tried, "%u of %u damaged programs were opened", opened, tried);
}

static void test_counts(void)
{
	struct pa_dbg_line_table t;
	size_t at = put_head(5);

	put(0, 1); /* no formats */
	memset(bytes + len, 0xff, 9);
	len += 9;
	put(1, 1); /* 2^63 and more directories of nothing */
	patch(at);
	patch(0);
	ok(open_table(len, &t) < 0, "entries without content are refused");
	at = put_head(5);
	put(1, 1);
	put(DW_LNCT_path, 1);
	put(DW_FORM_implicit_const, 1);
	memset(bytes + len, 0xff, 4);
	len += 4;
	put(0, 1);
	patch(at);
	patch(0);
	ok(open_table(len, &t) < 0, "forms of no size too");
}

/* Names that stand in another section, which many files may have in common. */
static void test_long_names(void)
{
	static uint8_t text[64 << 10];
	const struct pa_dbg_line_sections s = {.line = {bytes, sizeof(bytes)},
					       .line_str = {text, sizeof(text)}};
	struct pa_dbg_line_table t;
	const struct pa_dbg_line_file *f;
	size_t at = put_head(5);

	memset(text, 'x', sizeof(text));
	memcpy(text, "a.c", 4);
	text[sizeof(text) - 1] = '\0';
	put(0, 2); /* no directories */
	put(1, 1);
	put(DW_LNCT_path, 1);
	put(DW_FORM_line_strp, 1);
	put(3, 1);
	put(0, 4);
	put(4, 4);
	put(sizeof(text) - 3, 4);
	patch(at);
	patch(0);
	if (!ok(pa_dbg_line_table_open(&s, 0, 8, &t) == 0, "names in .debug_line_str"))
		return;
	f = pa_dbg_line_table_file(&t, 0);
	is_str(f ? f->name : "", "a.c", "a short one");
	ok(!pa_dbg_line_table_file(&t, 1), "what is no path is not looked through");
	f = pa_dbg_line_table_file(&t, 2);
	is_str(f ? f->name : "", "xx", "one at the end");
	pa_dbg_line_table_close(&t);
}

static void run(void *arg)
{
	(void)arg;
	for (unsigned version = 2; version <= 5; version++) {
		test_rows(version);
		test_hostile(version);
	}
	test_counts();
	test_long_names();
}

int main(void)
{
	pa_dbg_budget_begin(30000);
	is_int(pa_dbg_guard(run, NULL, 30000), 0, "ends");
	return tap_done();
}
