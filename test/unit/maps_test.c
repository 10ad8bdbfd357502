/* SPDX-License-Identifier: Apache-2.0
 * /proc/PID/maps: the kernel's forms, hostile text, and this process. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/base/compiler.h"
#include "agent/base/maps.h"
#include "test/tap.h"

static struct pa_arena arena;
static struct pa_map *maps;
static size_t count;

static int parse(const char *text)
{
	maps = NULL;
	count = 99;
	return pa_maps_parse(text, strlen(text), &arena, &maps, &count);
}

/* The forms of Go's TestProcSelfMaps. */
static void test_forms(void)
{
	static const char text[] =
		"00400000-0040b000 r-xp 00001000 fc:01 787766                             "
		"/bin/cat\n"
		"0060a000-0060b000 r--p 0000a000 fc:01 787766                             "
		"/bin/cat\n"
		"014ab000-014cc000 rw-p 00000000 00:00 0                                  [heap]\n"
		"07000000-07093000 r-xp 06c00000 00:2e 536754                             "
		"/path/to/my server (deleted)\n"
		"7f1000000000-7f1000001000 ---p 00000000 00:00 0 \n"
		"7f1000001000-7f1000002000 r-xp 00000000 00:00 0\n"
		"7f2000000000-7f2000001000 rwxs 00000000 00:05 1234                       "
		"/dev/shm/a\\012b\\134 \\01\n"
		"7f3000000000-7f3000001000 r-xp 00000000 103:fffff 18446744073709551615   "
		"/memfd:jit (deleted) (deleted)\n"
		"7ffc3437e000-7ffc34380000 r-xp 00000000 00:00 0                          [vdso]\n"
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  "
		"[vsyscall]";
	const struct pa_map *m;

	is_int(parse(text), 0, "parses");
	is_int(count, 10, "every line");
	m = maps;
	ok(m[0].start == 0x400000 && m[0].end == 0x40b000 && m[0].offset == 0x1000, "addresses");
	ok(m[0].read && !m[0].write && m[0].exec && !m[0].deleted, "flags");
	ok(m[0].inode == 787766 && m[0].dev == (0xfcu << 20 | 1), "device and inode");
	is_str(m[0].path, "/bin/cat", "path");
	ok(m[1].path == m[0].path && !m[1].exec, "the same file shares its path");
	ok(!strcmp(m[2].path, "[heap]") && !m[2].inode && m[2].write, "heap");
	is_str(m[3].path, "/path/to/my server", "a blank in a name, (deleted) cut off");
	ok(m[3].deleted, "but remembered");
	ok(!m[4].path[0] && !m[4].inode && !m[4].read, "anonymous, with a blank at the end");
	ok(!m[5].path[0] && !m[5].inode && m[5].exec, "anonymous, without");
	is_str(m[6].path, "/dev/shm/a\nb\\134 \\01", "only new lines are escaped");
	ok(m[6].read && m[6].write && m[6].exec, "shared");
	is_str(m[7].path, "/memfd:jit (deleted)", "(deleted) is cut off once");
	ok(m[7].inode == UINT64_MAX && m[7].dev == (0x103u << 20 | 0xfffff), "large numbers");
	ok(!strcmp(m[8].path, "[vdso]") && m[8].exec, "vdso");
	ok(!strcmp(m[9].path, "[vsyscall]") && m[9].end == 0xffffffffff601000,
	   "vsyscall, without a new line");
}

static void test_nonsense(void)
{
	static const char *const bad[] = {
		"\n",
		"x",
		"00400000",
		"00400000-",
		"00400000-0040b000",
		"00400000-0040b000 ",
		"00400000-0040b000 r-x",
		"00400000-0040b000 r-xp",
		"00400000-0040b000 r-xp 0",
		"00400000-0040b000 r-xp 0 fc",
		"00400000-0040b000 r-xp 0 fc:01",
		"00400000-0040b000 r-xp 0 fc:01 ",
		"00400000-0040b000 r-xp 0 fc:01 x /bin/cat",
		"00400000-0040b000 r-xp 0 fc:01 1x /bin/cat",
		"00400000-0040b000 r_xp 0 fc:01 1 /bin/cat",
		"00400000-0040b000 xr-p 0 fc:01 1 /bin/cat",
		"00400000-0040b000 r-xpp 0 fc:01 1 /bin/cat",
		"00400000 0040b000 r-xp 0 fc:01 1 /bin/cat",
		"0040b000-00400000 r-xp 0 fc:01 1 /bin/cat",
		"00400000-00400000 r-xp 0 fc:01 1 /bin/cat",
		"00400000-10000000000000000 r-xp 0 fc:01 1 /bin/cat",
		"0x400000-0x40b000 r-xp 0 fc:01 1 /bin/cat",
		"-400000-40b000 r-xp 0 fc:01 1 /bin/cat",
		"Size:                 44 kB",
	};
	static const char mixed[] =
		"nonsense\n1000-2000 r-xp 0 0:0 0 /a\n\n\n2000-1000 r-xp 0 0:0 0\n"
		"2000-3000 r-xp 0 0:0 0 /a";
	static const char nul[] = "1000-2000 r-xp 0 0:0 0 /a\0b\n2000-3000 r-xp 0 0:0 0 /c\n";
	char cut[sizeof(mixed)];
	bool good = true;

	for (size_t i = 0; i < PA_ARRAY_LEN(bad); i++)
		ok(parse(bad[i]) == 0 && count == 0, "skipped: \"%s\"", bad[i]);
	is_int(parse(""), 0, "no text");
	is_int(count, 0, "has no mappings");
	ok(parse(mixed) == 0 && count == 2 && maps[1].start == 0x2000, "bad lines are skipped");
	ok(maps[0].path == maps[1].path, "also between two of a file");
	ok(pa_maps_parse(nul, sizeof(nul) - 1, &arena, &maps, &count) == 0 && count == 2 &&
		   !strcmp(maps[0].path, "/a") && !strcmp(maps[1].path, "/c"),
	   "a NUL byte ends a path");
	/* Every prefix, at the end of its memory so that a sanitizer sees one byte too many. */
	for (size_t len = 0; len < sizeof(mixed); len++) {
		char *end = cut + sizeof(cut);

		memcpy(end - len, mixed, len);
		good = good && pa_maps_parse(end - len, len, &arena, &maps, &count) == 0 &&
		       count <= 2;
	}
	ok(good, "text cut anywhere");
}

static void test_budget(void)
{
	enum { LINES = 5000 };
	static char text[LINES * 64];
	struct pa_arena a = {0};
	size_t len = 0, used = pa_mem_used();

	for (size_t i = 0; i < LINES; i++)
		len += (size_t)sprintf(text + len, "%zx-%zx r-xp 0 0:0 5 /file/%zu\n", i + 1, i + 2,
				       i);
	maps = NULL;
	count = 99;
	pa_mem_limit_set(used + 100000);
	is_int(pa_maps_parse(text, len, &a, &maps, &count), -ENOMEM, "no memory for the array");
	ok(!maps && count == 99, "the outputs are untouched");
	pa_mem_limit_set(used + 350000);
	is_int(pa_maps_parse(text, len, &a, &maps, &count), -ENOMEM, "no memory for the paths");
	ok(!maps && count == 99, "the outputs are untouched");
	pa_arena_done(&a);
	is_int(pa_mem_used(), used, "nothing is lost");
	pa_mem_limit_set(1);
	is_int(pa_maps_read(&a, &maps, &count), -ENOMEM, "no memory to read");
	ok(!maps && count == 99, "the outputs are untouched");
	pa_mem_limit_set((size_t)64 << 20);
	is_int(pa_maps_parse(text, len, &a, &maps, &count), 0, "with memory");
	is_int(count, LINES, "all of them");
	is_str(maps[LINES - 1].path, "/file/4999", "to the last");
	pa_arena_done(&a);
}

static const struct pa_map *find(uintptr_t addr)
{
	for (size_t i = 0; i < count; i++) {
		if (maps[i].start <= addr && addr < maps[i].end)
			return &maps[i];
	}
	return NULL;
}

/* A file with every kind of nuisance in its name, mapped and then deleted. */
static void test_self(void)
{
	size_t used = pa_mem_used();
	char dir[] = "/tmp/profagent-maps.XXXXXX", path[100];
	const struct pa_map *m;
	void *p;
	int fd;

	is_int(mkdtemp(dir) == NULL, 0, "a directory");
	snprintf(path, sizeof(path), "%s/two  blanks\nand a line\\012 ", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	is_int(ftruncate(fd, 8192), 0, "a file");
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 4096);
	is_int(pa_maps_read(&arena, &maps, &count), 0, "reads this process");
	m = find((uintptr_t)p);
	ok(m && m->offset == 4096 && m->inode && m->read && !m->exec && !m->deleted,
	   "finds a mapped file");
	snprintf(path, sizeof(path), "%s/two  blanks\nand a line\n ", dir);
	is_str(m ? m->path : NULL, path, "by its name");
	m = find((uintptr_t)test_self);
	ok(m && m->exec && strstr(m->path, "maps_test"), "finds this program");
	snprintf(path, sizeof(path), "%s/two  blanks\nand a line\\012 ", dir);
	unlink(path);
	rmdir(dir);
	close(fd);
	is_int(pa_maps_read(&arena, &maps, &count), 0, "reads again");
	m = find((uintptr_t)p);
	ok(m && m->deleted, "the file is deleted now");
	munmap(p, 4096);
	pa_arena_done(&arena);
	ok(pa_mem_used() <= used, "the text is not kept");
}

int main(void)
{
	test_forms();
	test_nonsense();
	test_self();
	test_budget();
	return tap_done();
}
