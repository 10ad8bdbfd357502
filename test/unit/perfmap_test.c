/* SPDX-License-Identifier: Apache-2.0
 * Perf maps: later entries win, growth, replaced and hostile files, names and sources, memory,
 * and what a forked child inherits. */
#include "test/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/symbols/perfmap.h"
#include "agent/symbols/symbols.h"

static char dir[] = "/tmp/perfmap.XXXXXX";
static char path[PA_PERFMAP_PATH];

static void write_at(const char *file, const char *text, size_t len, int flags)
{
	int fd = open(file, O_WRONLY | O_CREAT | flags, 0600);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len || close(fd))
		ok(0, "writes %s: %s", file, strerror(errno));
}

static void put(const char *text)
{
	write_at(path, text, strlen(text), O_TRUNC);
}

static void append(const char *text)
{
	write_at(path, text, strlen(text), O_APPEND);
}

static int refresh(struct pa_perfmap *m)
{
	int fd = pa_perfmap_open(path), r;

	if (fd < 0)
		return fd;
	r = pa_perfmap_refresh(m, fd);
	close(fd);
	return r;
}

/* "name+distance of addr from its start", "-" without one. */
static const char *name_at(const struct pa_perfmap *m, uint64_t addr)
{
	static char text[PA_PERFMAP_TEXT], result[PA_PERFMAP_TEXT + 30];
	const struct pa_perfmap_range *range = pa_perfmap_ranges_find(&m->ranges, addr);
	struct pa_perfmap_name name;
	int fd = pa_perfmap_open(path);

	snprintf(result, sizeof(result), "-");
	if (range && fd >= 0 && pa_perfmap_read_name(fd, range, text, &name))
		snprintf(result, sizeof(result), "%s+%llu", name.name,
			 (unsigned long long)(addr - name.start));
	if (fd >= 0)
		close(fd);
	return result;
}

static void test_format(void)
{
	struct pa_perfmap m = {.pid = 1};

	put("1000 10 one\n"
	    "0x2000 0x20 two words, and a third \n"
	    "0X3000 0x8 \xc3\xa9t\xc3\xa9 \xff\x01\r\n"
	    "4000  \t 8 \t tabs\n"
	    "DEADBEEF00 a upper\n"
	    "\n"
	    "not a line\n"
	    "5000 8\n"
	    "5010 8 \n"
	    "5020 0 empty\n"
	    "5030 -8 negative\n"
	    "5040 123456789 larger than 4 GiB\n"
	    "11111111111111111 8 too many digits\n"
	    "ffffffffffffff00 8 the kernel's half\n"
	    "fffffffffffffff8 10 around the end\n"
	    "0x 8 no digits\n"
	    " 5050 8 indented\n"
	    "5060:8:colons\n"
	    "7f0000000000 10 high\n"
	    "6000 10 not complete yet");
	is_int(refresh(&m), 0, "reads");
	is_int(m.ranges.count, 6, "what is no line is passed over");
	is_str(name_at(&m, 0x1000), "one+0", "the first byte");
	is_str(name_at(&m, 0x100f), "one+15", "the last");
	is_str(name_at(&m, 0x1010), "-", "the one behind");
	is_str(name_at(&m, 0xfff), "-", "the one ahead");
	is_str(name_at(&m, 0x2001), "two words, and a third+1", "spaces and prefixes");
	is_str(name_at(&m, 0x3000), "\xc3\xa9t\xc3\xa9 ??+0", "UTF-8, and what is none");
	is_str(name_at(&m, 0x4007), "tabs+7", "tabs");
	is_str(name_at(&m, 0xdeadbeef09), "upper+9", "upper case");
	is_str(name_at(&m, 0x7f0000000001), "high+1", "a high address");
	is_str(name_at(&m, 0x6000), "-", "a line that is not complete");
	append(" but now\n6100 10 next\n");
	is_int(refresh(&m), 0, "reads on");
	is_str(name_at(&m, 0x6000), "not complete yet but now+0", "it is complete");
	is_str(name_at(&m, 0x6100), "next+0", "and so is the next");
	is_int(refresh(&m), 0, "nothing new");
	is_int(m.ranges.count, 8, "changes nothing");
	pa_perfmap_done(&m);
}

static void test_overlap(void)
{
	struct pa_perfmap m = {.pid = 1};

	put("1000 100 outer\n"
	    "1040 10 inner\n"
	    "1044 4 innermost\n"
	    "10f0 20 behind\n"
	    "ff0 18 ahead\n"
	    "2000 100 old\n"
	    "2000 100 same\n"
	    "3000 10 small\n"
	    "3008 10 small too\n"
	    "2ff0 1000 all over\n");
	is_int(refresh(&m), 0, "reads");
	is_str(name_at(&m, 0x1007), "ahead+23", "over the front");
	is_str(name_at(&m, 0x1008), "outer+8", "what is left there");
	is_str(name_at(&m, 0x1040), "inner+0", "inside");
	is_str(name_at(&m, 0x1044), "innermost+0", "inside that");
	is_str(name_at(&m, 0x1048), "inner+8", "behind it");
	is_str(name_at(&m, 0x1050), "outer+80", "behind both, with its real start");
	is_str(name_at(&m, 0x10ef), "outer+239", "up to");
	is_str(name_at(&m, 0x10f0), "behind+0", "over the end");
	is_str(name_at(&m, 0x2080), "same+128", "the later of two at one place");
	is_str(name_at(&m, 0x3004), "all over+20", "a later one covers all");
	is_str(name_at(&m, 0x3ff0), "-", "up to its end");
	append("3004 4 again\n1000 100 reused\n");
	is_int(refresh(&m), 0, "more");
	is_str(name_at(&m, 0x3004), "again+0", "later ones win over those read before");
	is_str(name_at(&m, 0x3008), "all over+24", "and only where they are");
	is_str(name_at(&m, 0x1044), "reused+68", "pieces are covered");
	is_str(name_at(&m, 0x10f0), "reused+240", "all of them");
	is_str(name_at(&m, 0x1100), "behind+16", "but no more");
	pa_perfmap_done(&m);
}

/* Against an array with one cell for each address, in pieces of any size. */
static void test_random(void)
{
	enum { SPACE = 3000, LINES = 4000 };
	static int truth[SPACE];
	static char line[100], want[100];
	struct pa_perfmap m = {.pid = 1};
	unsigned seed = 12345, wrong = 0;
	FILE *f = fopen(path, "w");

	for (int i = 0; f && i < LINES; i++) {
		unsigned start, size;

		seed = seed * 1103515245 + 12345;
		start = (seed >> 8) % SPACE;
		seed = seed * 1103515245 + 12345;
		size = 1 + (seed >> 8) % (i % 7 ? 20 : 400);
		for (unsigned a = start; a < start + size && a < SPACE; a++)
			truth[a] = i + 1;
		fprintf(f, "%x %x f%d\n", start, size, i + 1);
		if (i % 997 == 0) {
			fflush(f);
			wrong += refresh(&m) != 0;
		}
	}
	if (f)
		fclose(f);
	is_int(refresh(&m), 0, "reads");
	for (unsigned a = 0; a < SPACE; a++) {
		snprintf(line, sizeof(line), "%s", name_at(&m, a));
		snprintf(want, sizeof(want), truth[a] ? "f%d" : "-", truth[a]);
		line[strcspn(line, "+")] = '\0';
		wrong += strcmp(line, want) != 0;
	}
	ok(!wrong, "%d lines at random: the last one at each of %d addresses", LINES, SPACE);
	for (size_t i = 1; i < m.ranges.count; i++) {
		const struct pa_perfmap_range *r = &m.ranges.items[i];

		wrong += !r->size || r[-1].start + r[-1].size > r->start;
	}
	is_int(wrong, 0, "pieces are in order and do not overlap");
	pa_perfmap_done(&m);
}

static void test_replaced(void)
{
	struct pa_perfmap m = {.pid = 1};
	char other[120];
	uint64_t version;

	put("1000 10 first\n2000 10 second\n");
	is_int(refresh(&m), 0, "reads");
	put("1000 10 newer\n");
	is_str(name_at(&m, 0x2000), "-", "a truncated file tells nothing");
	is_str(name_at(&m, 0x1000), "newer+0", "or what it says now");
	version = m.version;
	is_int(refresh(&m), 0, "reads again");
	ok(m.version > version, "as another one");
	is_str(name_at(&m, 0x1000), "newer+0", "the new name");
	is_int(m.ranges.count, 1, "the others are gone");

	put("1000 20 longer than before\n3000 10 third\n");
	is_int(refresh(&m), 0, "written anew, and larger than it was");
	is_int(m.ranges.count, 2, "is read from its beginning");
	is_str(name_at(&m, 0x101f), "longer than before+31", "the new name");

	put("1000 20 longer than before\n2f00 10 earlier\n3000 10 third\n4000 10 fourth\n");
	is_int(refresh(&m), 0, "again, with the same first line");
	is_int(m.ranges.count, 4, "is read from its beginning, too");
	is_str(name_at(&m, 0x3000), "third+0", "a name that stands elsewhere now");

	snprintf(other, sizeof(other), "%s/other", dir);
	write_at(other, "1000 20 longer than before\n4000 10 fourth\n", 42, O_TRUNC);
	is_int(rename(other, path), 0, "another file of that size");
	is_int(refresh(&m), 0, "reads it");
	is_str(name_at(&m, 0x3000), "-", "the old name is gone");
	is_str(name_at(&m, 0x4000), "fourth+0", "the new one is there");
	unlink(path);
	is_int(refresh(&m), -ENOENT, "no file");
	pa_perfmap_done(&m);
}

static void test_untrusted(void)
{
	struct pa_perfmap m = {.pid = 1};
	char other[120];

	snprintf(other, sizeof(other), "%s/target", dir);
	write_at(other, "1000 10 a\n", 10, O_TRUNC);
	is_int(symlink(other, path), 0, "a symbolic link");
	is_int(refresh(&m), -ELOOP, "is not followed");
	unlink(path);
	is_int(mkfifo(path, 0600), 0, "a FIFO");
	is_int(refresh(&m), -ENOEXEC, "is no file, and nobody waits for it");
	unlink(path);
	is_int(mkdir(path, 0700), 0, "a directory");
	is_int(refresh(&m), -ENOEXEC, "is no file either");
	rmdir(path);
	put("1000 10 a\n");
	if (geteuid() == 0) {
		is_int(chown(path, 65534, 65534), 0, "somebody else's");
		is_int(refresh(&m), -EPERM, "is not believed");
	} else {
		ok(1, "no privilege to give files away # SKIP");
	}
	unlink(path);
	is_int(m.ranges.count, 0, "nothing came in");
	pa_perfmap_done(&m);
}

static void test_hostile(void)
{
	struct pa_perfmap m = {.pid = 1};
	const size_t big = (size_t)10 << 20;
	char *line = malloc(big);

	memset(line, 'x', big);
	memcpy(line, "1000 10 ", 8);
	write_at(path, line, big, O_TRUNC);
	is_int(refresh(&m), 0, "10 MiB without a newline");
	is_int(m.ranges.count, 0, "are no line");
	ok(m.pos == big && m.passing, "and are not read again");
	append("\n2000 10 behind it\n");
	is_int(refresh(&m), 0, "goes on");
	is_str(name_at(&m, 0x2000), "behind it+0", "behind its end");
	is_str(name_at(&m, 0x1000), "-", "it has no name");

	memset(line, 'y', 70000);
	memcpy(line, "3000 10 ", 8);
	line[30000] = '\n';
	memcpy(line + 30001, "4000 10 ", 8);
	line[69999] = '\n';
	write_at(path, line, 70000, O_TRUNC);
	is_int(refresh(&m), 0, "long lines");
	is_int(strlen(name_at(&m, 0x3000)), PA_PERFMAP_TEXT - 1 - 8 + 2, "a name that is cut");
	ok(!strncmp(name_at(&m, 0x4000), "yyy", 3), "and the next");

	for (size_t i = 0; i < big; i++)
		line[i] = (char)(i * 2654435761u >> 13);
	write_at(path, line, big, O_TRUNC);
	is_int(refresh(&m), 0, "10 MiB of anything");
	memset(line, 0, big);
	memcpy(line, "1000 10 a", 9);
	memcpy(line + 20, "b\n", 2);
	write_at(path, line, big, O_TRUNC);
	is_int(refresh(&m), 0, "zeros");
	is_str(name_at(&m, 0x1000), "a???????????b+0", "are no end of a name");
	free(line);
	pa_perfmap_done(&m);
	is_int(pa_mem_used(), 0, "no memory is left over");
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* More functions than there is room for: the last ones are known, and none has a wrong name. */
static void test_many(void)
{
	enum { LINES = 1500000 };
	struct pa_perfmap m = {.pid = 1};
	unsigned named = 0, wrong = 0;
	FILE *f = fopen(path, "w");
	double ms;

	for (unsigned i = 0; f && i < LINES; i++)
		fprintf(f, "7f%08x 30 LazyCompile:*function_%u /srv/app/file.js:%u:10\n",
			i * 64 % 0x4000000 + i / 0x100000 * 0x4000000, i, i % 1000);
	if (f)
		fclose(f);
	ms = now_ms();
	is_int(refresh(&m), 0, "reads");
	ms = now_ms() - ms;
	printf("# %u lines in %.0f ms, %zu KiB, %llu dropped\n", LINES, ms, pa_mem_used() >> 10,
	       (unsigned long long)m.dropped);
	ok(pa_mem_used() <= pa_mem_limit() / 7, "bounded memory");
	is_int(m.ranges.count + m.dropped, LINES, "the others are counted");
	for (unsigned i = 0; i < LINES; i += 9973) {
		const uint64_t addr = 0x7f00000000 + i * 64 % 0x4000000 +
				      (uint64_t)(i / 0x100000) * 0x4000000 + 7;
		char want[100];
		const char *got = name_at(&m, addr);

		snprintf(want, sizeof(want), "LazyCompile:*function_%u /srv/app/file.js:%u:10+7", i,
			 i % 1000);
		named += !strcmp(got, want);
		wrong += strcmp(got, want) != 0 && strcmp(got, "-") != 0;
	}
	is_int(wrong, 0, "no wrong name");
	ok(named >= LINES / 9973 / 5, "%u of %u named", named, LINES / 9973);
	append("9000 10 new\n");
	ms = now_ms();
	is_int(refresh(&m), 0, "one more");
	printf("# one more line in %.2f ms\n", now_ms() - ms);
	is_str(name_at(&m, 0x9005), "new+5", "has its place");
	pa_perfmap_done(&m);
}

static void test_memory(void)
{
	struct pa_perfmap m = {.pid = 1};

	put("1000 10 one\n2000 10 two\n");
	for (size_t limit = 0; limit < (size_t)1 << 20; limit += 4096) {
		pa_mem_limit_set(limit);
		if (refresh(&m) == 0)
			break;
		if (m.pos) {
			ok(0, "what could not be kept is read again");
			break;
		}
	}
	is_int(refresh(&m), 0, "enough memory in the end");
	is_str(name_at(&m, 0x2001), "two+1", "and names");
	pa_mem_limit_set((size_t)64 << 20);
	pa_perfmap_done(&m);
	is_int(pa_mem_used(), 0, "no memory is left over");
}

static const struct {
	const char *name, *file;
	unsigned line;
} sources[] = {
	{"JS:*add /srv/app.js:10:5", "/srv/app.js", 10},
	{"JS:~ /srv/app.js:1:1", "/srv/app.js", 1},
	{"JS:^get value /srv/my app.js:2:24", "/srv/my app.js", 2},
	{"JS:+Thing.<static_initializer> /a.js:3:7", "/a.js", 3},
	{"JS:~prepareExecution node:internal/process/pre_execution:96:26",
	 "node:internal/process/pre_execution", 96},
	{"JS:*f file:///srv/m.mjs:4:2", "/srv/m.mjs", 4},
	{"JS:*f file:///srv/my%20m.mjs:4:2", "file:///srv/my%20m.mjs", 4},
	{"JS:*f https://host:8080/x.js:4:2", "https://host:8080/x.js", 4},
	{"LazyCompile:~foo file.js:10", "file.js", 10},
	{"LazyCompile:*foo bar.js:10:3", "bar.js", 10},
	{"Function:foo app.js:7", "app.js", 7},
	{"Eval:~ node:stream:1:1", "node:stream", 1},
	{"Eval:~ :1:1", "", 0},
	{"JS:*get x some file.js:1:1", "", 0}, /* where does the file begin? */
	{"JS:*nospace.js:1:1", "", 0},
	{"JS:*foo /srv/app.js", "", 0},
	{"JS:*foo /srv/app.js:99999999999:1", "/srv/app.js", 0},
	{"JS:", "", 0},
	{"RegExp:a+b /x:1:1", "", 0},
	{"Builtin:ArrayMap", "", 0},
	{"py::A.m.<locals>.<lambda>:/srv/app.py", "/srv/app.py", 0},
	{"py::<module>:/srv/a:b.py", "/srv/a:b.py", 0},
	{"py::_find:<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>", 0},
	{"py::nothing", "", 0},
	{"py::nothing:", "", 0},
	{"TRACE_12::app.lua:34", "app.lua", 34},
	{"TRACE_::app.lua:34", "", 0},
	{"TRACE_1::app.lua", "", 0},
	{"int J.spin(int)", "", 0},
	{"Lcom/x/Y;::run", "", 0},
	{"", "", 0},
};

static void test_sources(void)
{
	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		char file[100];
		uint32_t line;

		pa_perfmap_source(sources[i].name, file, sizeof(file), &line);
		is_str(file, sources[i].file, sources[i].name);
		is_int(line, sources[i].line, "its line");
	}
}

/* The map of a process, where perf and others look for it. */
static void put_own(const char *text)
{
	pa_perfmap_path(getpid(), path);
	put(text);
}

static const char *file_of(struct pa_symbols *s, const struct pa_symbol *sym)
{
	size_t count;
	const struct pa_mapping *m = pa_symbols_mappings(s, &count);

	return sym->mapping < count ? m[sym->mapping].file : "(none)";
}

static struct pa_symbols *open_view(void)
{
	struct pa_symbols *s = NULL;

	if (pa_symbols_open(&s) < 0)
		ok(0, "a view opens");
	return s;
}

static uint64_t code_at;

static void test_view(void)
{
	struct pa_symbols *s = open_view();
	struct pa_symbol a, b;
	char text[200], want[40];
	size_t count, before;
	const struct pa_mapping *m;

	pa_symbols_mappings(s, &before);
	pa_symbols_resolve(s, code_at, &a);
	is_str(a.name, "[anonymous code]", "code of which nothing is known");
	is_str(a.system_name, "[anonymous code]", "both ways");
	is_str(file_of(s, &a), "//anon", "in its mapping");
	ok(a.known && !a.file, "nobody needs to ask again");
	pa_symbols_mappings(s, &count);
	is_int(count, before, "no mapping of a map that there is none");
	pa_symbols_close(s);

	snprintf(text, sizeof(text),
		 "%llx 40 JS:*hot /srv/app.js:10:5\n%llx 40 plain\n999000 10 unmapped\n",
		 (unsigned long long)code_at, (unsigned long long)code_at + 0x40);
	put_own(text);
	snprintf(want, sizeof(want), "[perf-%d.map]", (int)getpid());
	s = open_view();
	pa_symbols_resolve(s, code_at + 5, &a);
	pa_symbols_resolve(s, code_at + 6, &b);
	is_str(a.name, "JS:*hot /srv/app.js:10:5", "the name");
	ok(a.name == b.name, "is kept once");
	is_int(a.start, code_at, "the start");
	is_str(a.file, "/srv/app.js", "the file");
	is_int(a.line, 10, "the line");
	is_str(file_of(s, &a), want, "a mapping of its own");
	m = pa_symbols_mappings(s, &count);
	is_int(count, before + 1, "which is listed now");
	ok(m[a.mapping].start <= code_at && code_at + 6 < m[a.mapping].limit, "and holds it");
	ok(m[a.mapping].limit - m[a.mapping].start <= 4096, "and little else");
	pa_symbols_resolve(s, code_at + 0x40, &b);
	is_str(b.name, "plain", "another name");
	is_str(b.file, "", "without a file");
	is_int(b.mapping, a.mapping, "in the same mapping");
	pa_symbols_resolve(s, code_at + 0x80, &b);
	is_str(b.name, "[anonymous code]", "the next is not in the map");
	pa_symbols_resolve(s, 0x999001, &b);
	is_str(b.name, "unmapped", "code that is gone already keeps its name");
	is_str(file_of(s, &b), want, "in the same mapping");
	pa_symbols_resolve(s, (uintptr_t)&test_view, &b);
	is_str(b.name, "test_view", "functions of files are not affected");
	is_int(b.mapping, 0, "nor are their mappings");
	pa_symbols_resolve(s, 0xffffffff81000010, &b);
	is_str(file_of(s, &b), "[kernel.kallsyms]", "nor is the kernel's");
	pa_symbols_resolve(s, code_at, &b);
	is_int(b.mapping, a.mapping, "and there is one");

	/* Between the two requests of other users. */
	put_own("1000 10 something else\n");
	pa_symbols_close(s);
	s = open_view();
	pa_symbols_resolve(s, code_at + 5, &a);
	is_str(a.name, "[anonymous code]", "a map that was replaced has no old names");
	pa_symbols_close(s);
	unlink(path);
}

static void test_kinds(void)
{
	void *shared = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = memfd_create("double\nmapper", MFD_CLOEXEC);
	void *mem = MAP_FAILED;
	struct pa_symbols *s;
	struct pa_symbol sym;

	if (fd >= 0 && ftruncate(fd, 8192) == 0)
		mem = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	s = open_view();
	pa_symbols_resolve(s, (uintptr_t)shared + 16, &sym);
	is_str(sym.name, "[anonymous code]", "shared anonymous memory");
	if (mem != MAP_FAILED) {
		struct pa_symbol other;

		pa_symbols_resolve(s, (uintptr_t)mem + 16, &sym);
		pa_symbols_resolve(s, (uintptr_t)mem + 4099, &other);
		is_str(sym.name, "[memfd:double?mapper]", "memory of a memfd");
		ok(sym.name == other.name && sym.known, "one name");
	}
	pa_symbols_close(s);
	munmap(shared, 4096);
	if (mem != MAP_FAILED)
		munmap(mem, 8192);
	if (fd >= 0)
		close(fd);
}

static void *use_view(void *arg)
{
	unsigned *wrong = arg;

	for (int i = 0; i < 200; i++) {
		struct pa_symbols *s = open_view();
		struct pa_symbol sym;

		pa_symbols_resolve(s, 0x1001, &sym);
		*wrong += strcmp(sym.name, "one") != 0;
		pa_symbols_resolve(s, 0x2001, &sym);
		*wrong += strcmp(sym.name, "two") != 0 && strcmp(sym.name, "0x2001") != 0;
		pa_symbols_close(s);
	}
	return NULL;
}

/* Requests that read while the map grows. */
static void test_threads(void)
{
	unsigned wrong[3] = {0};
	pthread_t t[3];

	put_own("1000 10 one\n");
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, use_view, &wrong[i]);
	append("20");
	append("00 10 two");
	for (int i = 0; i < 500; i++)
		append("\n3000 10 three");
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	is_int(wrong[0] + wrong[1] + wrong[2], 0, "three requests at a time");
	unlink(path);
}

static void name_in_child(uint64_t addr, const char *want, const char *map, int *failed)
{
	struct pa_symbols *s = open_view();
	struct pa_symbol sym;

	pa_symbols_resolve(s, addr, &sym);
	if (strcmp(sym.name, want) != 0 || (map && strcmp(file_of(s, &sym), map) != 0)) {
		printf("# %s in %s instead of %s in %s\n", sym.name, file_of(s, &sym), want, map);
		++*failed;
	}
	pa_symbols_close(s);
}

/* The child has the code that the parent had, but not what the parent compiles later. */
static int child(const char *parent_path, const char *parent_map, const int go[2],
		 const int born[2], int depth)
{
	char c, map[40];
	int failed = 0, status;
	pid_t grandchild;

	pa_symbols_fork_child();
	if (write(born[1], "x", 1) != 1 || read(go[0], &c, 1) != 1)
		return 99;
	snprintf(map, sizeof(map), "[perf-%d.map]", (int)getpid());
	name_in_child(0x1000, "ours", parent_map, &failed);
	name_in_child(0x2000, "0x2000", NULL, &failed);
	put_own("1000 8 child's\n2000 10 child's too\n");
	name_in_child(0x1000, "child's", map, &failed);
	name_in_child(0x1008, "ours", parent_map, &failed);
	name_in_child(0x2000, "child's too", map, &failed);
	if (depth && !(grandchild = fork())) {
		failed = 0;
		pa_symbols_fork_child();
		name_in_child(0x1004, "child's", map, &failed);
		name_in_child(0x1008, "ours", parent_map, &failed);
		_exit(failed);
	}
	if (depth && (waitpid(-1, &status, 0) < 0 || status))
		failed++;
	unlink(path);
	/* The number of a process may be used again. */
	rename(parent_path, path);
	write_at(parent_path, "1000 10 a stranger's\n", 21, O_TRUNC);
	unlink(path);
	name_in_child(0x1000, "0x1000", NULL, &failed);
	fflush(stdout);
	return failed;
}

static void test_fork(bool asked_before)
{
	char parent_path[PA_PERFMAP_PATH], parent_map[40];
	int go[2], born[2], status = -1;
	pid_t pid;
	char c;

	if (pipe(go) < 0 || pipe(born) < 0)
		return;
	put_own("1000 10 ours\n");
	snprintf(parent_path, sizeof(parent_path), "%s", path);
	snprintf(parent_map, sizeof(parent_map), "[perf-%d.map]", (int)getpid());
	if (asked_before) {
		int failed = 0;

		name_in_child(0x1000, "ours", parent_map, &failed);
		is_int(failed, 0, "known before the fork");
	}
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(child(parent_path, parent_map, go, born, 1));
	is_int(read(born[0], &c, 1), 1, "a child is there");
	append("1000 10 later\n2000 10 later\n");
	is_int(write(go[1], "x", 1), 1, "the parent goes on");
	waitpid(pid, &status, 0);
	is_int(status, 0, "a child knows what it has inherited, and its own code");
	unlink(parent_path);
	close(go[0]);
	close(go[1]);
	close(born[0]);
	close(born[1]);
}

int main(void)
{
	void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char cmd[100];

	if (!mkdtemp(dir) || code == MAP_FAILED)
		return 1;
	code_at = (uintptr_t)code;
	snprintf(path, sizeof(path), "%s/perf.map", dir);
	test_format();
	test_overlap();
	test_random();
	test_replaced();
	test_untrusted();
	test_hostile();
	test_many();
	test_memory();
	test_sources();
	test_view();
	test_kinds();
	test_threads();
	test_fork(false);
	test_fork(true);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return tap_done() | (system(cmd) != 0);
}
