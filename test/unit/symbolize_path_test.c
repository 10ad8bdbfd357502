/* SPDX-License-Identifier: Apache-2.0
 * Paths of source files: joined and made plain, as text. */
#include "test/tap.h"

#include "agent/symbolize/path.h"

static const struct {
	const char *comp_dir, *dir, *name, *want;
} table[] = {
	{"/src", "lib", "a.c", "/src/lib/a.c"},
	{"/src", NULL, "a.c", "/src/a.c"},
	{NULL, NULL, "a.c", "a.c"},
	{"", "", "a.c", "a.c"},
	{"/src", "/usr/include", "stdio.h", "/usr/include/stdio.h"},
	{"/src", "lib", "/abs/a.c", "/abs/a.c"},
	{"/src/build", "../lib", "a.c", "/src/lib/a.c"},
	{"/src/build", "./x/./y", "../a.c", "/src/build/x/a.c"},
	{"/src//build/", "//lib//", "a.c", "/lib/a.c"},
	{"/", "..", "a.c", "/a.c"},
	{"/a", "../../..", "b", "/b"},
	{".", "..", "a.c", "../a.c"},
	{"..", "../x", "../a.c", "../../a.c"},
	{"../..", "x/..", "a.c", "../../a.c"},
	{"a", "../..", "b", "../b"},
	{"./lib", ".", "a.c", "lib/a.c"},
	{"/src", "..x", ".hidden", "/src/..x/.hidden"},
	{"/src", "x...", "a", "/src/x.../a"},
	{"/", NULL, ".", "/"},
	{NULL, NULL, "", ""},
};

static void test_room(void)
{
	char buf[8];

	is_int(pa_dbg_path_join("/abc", NULL, "de", buf, sizeof(buf)), 7, "what just fits");
	is_str(buf, "/abc/de", "is whole");
	is_int(pa_dbg_path_join("/abc", NULL, "def", buf, sizeof(buf)), 0, "one byte more");
	is_str(buf, "", "is nothing");
	is_int(pa_dbg_path_join("/abcdefghijklmn", "..", "a", buf, sizeof(buf)), 0,
	       "too long in between");
	is_int(pa_dbg_path_join("../../../../..", "..", "a", buf, sizeof(buf)), 0, "all up");
	is_int(pa_dbg_path_join("/a", "b/../c/..", "d", buf, sizeof(buf)), 0,
	       "a part that is too long, even if it comes to nothing");
}

int main(void)
{
	char buf[200];

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		size_t n = pa_dbg_path_join(table[i].comp_dir, table[i].dir, table[i].name, buf,
					    sizeof(buf));

		is_str(buf, table[i].want, "joined");
		is_int(n, strlen(table[i].want), "and its length");
	}
	test_room();
	return tap_done();
}
