/* SPDX-License-Identifier: Apache-2.0
 * The pprof encoder, with made-up symbols and an independent reader. */
#include <errno.h>
#include <stdbool.h>

#include "agent/base/arena.h"
#include "agent/base/sink.h"
#include "agent/core/profile.h"
#include "agent/symbols/symbols.h"
#include "exporters/pprof.h"
#include "test/tap.h"
#include "test/unit/pprof_read.h"

#define DEFAULT_BUDGET ((size_t)64 << 20)

/* --- a process with two objects and a kernel; "lib" has no symbols, but functions of 4 KiB from
 * 0x7f00'0000'8000 on whose start is known --- */

#define EXE    0x555500000000ull
#define LIB    0x7f0000000000ull
#define JIT    0x7e0000000000ull
#define KERNEL 0xffffffff81000000ull
#define AGENT  0x7d0000000000ull

static struct pa_mapping fake_mappings[] = {
	{EXE, EXE + 0x100000, 0x1000, "/usr/bin/t", "28b8"},
	{JIT, JIT + 0x1000, 0, "//anon", ""},
	{LIB, LIB + 0x10000, 0x2000, "/usr/lib/li b\xc3\xa4.so", "00ff"},
	{KERNEL, UINT64_MAX, 0, "[kernel.kallsyms]", ""},
};
static bool kernel_seen;
static unsigned opened, closed, resolved;
static int open_error;

struct pa_symbols {
	struct pa_arena arena;
};

int pa_symbols_open(struct pa_symbols **ret)
{
	if (open_error)
		return open_error;
	*ret = pa_pages_alloc(sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	kernel_seen = false;
	opened++;
	return 0;
}

void pa_symbols_close(struct pa_symbols *s)
{
	pa_arena_done(&s->arena);
	pa_pages_free(s, sizeof(*s));
	closed++;
}

const struct pa_mapping *pa_symbols_mappings(const struct pa_symbols *s, size_t *ret_count)
{
	(void)s;
	*ret_count = kernel_seen ? 4 : 3;
	return fake_mappings;
}

size_t pa_symbols_mapping(struct pa_symbols *s, uint64_t addr)
{
	size_t count;
	const struct pa_mapping *m = pa_symbols_mappings(s, &count);

	for (size_t i = 0; i < count; i++)
		if (addr >= m[i].start && addr < m[i].limit)
			return i;
	return PA_NO_MAPPING;
}

bool pa_symbols_is_agent(uint64_t addr)
{
	return addr >= AGENT && addr < AGENT + 0x10000;
}

static const char *named(struct pa_symbols *s, const char *before, uint64_t n, const char *behind)
{
	char text[64];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s%" PRIu64 "%s", before, n, behind);
	const char *copy = pa_arena_strndup(&s->arena, text, len);

	return copy ? copy : "(no memory)";
}

static const char *hex_name(struct pa_symbols *s, uint64_t addr)
{
	char text[32];
	size_t len = (size_t)snprintf(text, sizeof(text), "0x%" PRIx64, addr);
	const char *copy = pa_arena_strndup(&s->arena, text, len);

	return copy ? copy : "(no memory)";
}

void pa_symbols_resolve(struct pa_symbols *s, uint64_t addr, struct pa_symbol *ret)
{
	resolved++;
	*ret = (struct pa_symbol){.mapping = PA_NO_MAPPING, .known = true};
	kernel_seen |= pa_symbols_is_kernel(addr);
	for (size_t i = 0; i < 4; i++) {
		if (addr >= fake_mappings[i].start && addr < fake_mappings[i].limit)
			ret->mapping = i;
	}
	if (ret->mapping == 0 && addr >= EXE + 0x80000) {
		ret->name = named(s, "ns::f<int>(", (addr - EXE) >> 8, ")");
		ret->system_name = named(s, "_ZN2ns1fIiEEv", (addr - EXE) >> 8, "");
	} else if (ret->mapping == 0) {
		ret->name = ret->system_name = named(s, "fn", (addr - EXE) >> 8, "");
	} else if (ret->mapping == 2 && addr == LIB) {
		ret->name = ret->system_name = "bad\xff\nname\xe2\x82";
	} else if (ret->mapping == 3) {
		ret->name = ret->system_name = "do_syscall_64";
	} else {
		ret->name = ret->system_name = hex_name(s, addr);
		ret->known = false;
		if (addr >= LIB + 0x8000 && addr < LIB + 0xa000)
			ret->start = addr & ~UINT64_C(0xfff);
	}
}

/* Lines are known from EXE + 0x40000 on: three inlined into each other at 0x41000, one without a
 * file at 0x42000, one that only the debug information has a name for at 0x7f00'0000'9000. */
static size_t lines_asked, lines_missing;
static int lines_error;
static uint64_t lines_deadline;

int pa_symbols_load_lines(struct pa_symbols *s, const uint64_t *addrs, size_t count,
			  uint64_t deadline, size_t *ret_missing)
{
	(void)s;
	(void)addrs;
	lines_asked += count;
	lines_deadline = deadline;
	*ret_missing = lines_missing;
	return lines_error;
}

size_t pa_symbols_lines(struct pa_symbols *s, uint64_t addr, struct pa_symbol *symbol,
			struct pa_line ret[PA_SYMBOLS_LINES])
{
	static const struct pa_line inlined[] = {
		{"strcpy", "strcpy", "/usr/include/string.h", 81, 3, 77},
		{"ns::g()", "_ZN2ns1gEv", "/src/a.cc", 12, 9, 10},
	};
	const uint64_t at = addr - EXE;

	(void)s;
	if (addr == LIB + 0x9000) {
		symbol->name = symbol->system_name = "static_function";
		symbol->known = true;
		ret[0] = (struct pa_line){symbol->name, symbol->name, "/src/lib.c", 5, 0, 4};
		return 1;
	}
	if (at < 0x40000 || at >= 0x50000)
		return 0;
	if (at == 0x41000) {
		ret[0] = inlined[0];
		ret[1] = inlined[1];
		ret[2] =
			(struct pa_line){symbol->name, symbol->system_name, "/src/a.cc", 40, 1, 30};
		return 3;
	}
	if (at == 0x42000) {
		ret[0] = (struct pa_line){symbol->name, symbol->system_name, "", 0, 0, 0};
		return 1;
	}
	ret[0] = (struct pa_line){
		symbol->name, symbol->system_name, "/src/a.cc", (uint32_t)(at & 0xff), 0, 7};
	return 1;
}

/* --- helpers --- */

static const struct pa_pprof_options names_only = {PA_PPROF_SYMBOLIZE_NAMES, 0};

static struct pa_profile *cpu_profile(void)
{
	struct pa_profile *p = pa_profile_new("profile");

	if (!p)
		read_fail("no profile");
	p->types[0] = (struct pa_value_type){"samples", "count"};
	p->types[1] = (struct pa_value_type){"cpu", "nanoseconds"};
	p->type_count = 2;
	p->period_type = p->types[1];
	p->period = 2000000;
	p->time_ns = 1700000000123456789;
	return p;
}

static void add(struct pa_profile *p, size_t count, const uint64_t *frames, int64_t n)
{
	int64_t values[] = {n, n * p->period};

	pa_profile_add(p, frames, count, values);
}

#define ADD(p, n, ...)                                                                             \
	add(p, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), (uint64_t[]){__VA_ARGS__}, n)

static struct read_profile *encode(const struct pa_profile *p, enum pa_pprof_symbolize symbolize)
{
	struct pa_sink_mem mem;
	struct pa_pprof *e;
	struct read_profile *r;
	const struct pa_pprof_options options = {symbolize, 1000000000};
	const char *wrong;

	pa_sink_mem_init(&mem, (size_t)32 << 20);
	if (pa_pprof_new(p, &options, &e) != 0)
		read_fail("pa_pprof_new");
	if (pa_pprof_write(e, &mem.sink) != 0)
		read_fail("pa_pprof_write");
	pa_pprof_free(e);
	r = read_profile(mem.buf, mem.sink.total);
	pa_sink_mem_done(&mem);
	wrong = read_invalid(r);
	ok(!wrong, "readers accept it%s%s", wrong ? ": bad " : "", wrong ? wrong : "");
	return r;
}

/* --- tests --- */

static void check_head(const struct read_profile *r)
{
	is_int(r->sample_types, 2, "two sample types");
	is_str(read_string(r, r->sample_type[0][1]), "samples", "samples");
	is_str(read_string(r, r->sample_type[0][2]), "count", "in count");
	is_str(read_string(r, r->sample_type[1][1]), "cpu", "cpu");
	is_str(read_string(r, r->sample_type[1][2]), "nanoseconds", "in nanoseconds");
	is_str(read_string(r, r->period_type[1]), "cpu", "period type cpu");
	is_str(read_string(r, r->period_type[2]), "nanoseconds", "in nanoseconds");
	is_int(r->scalar[12], 2000000, "period of 500 Hz");
	is_int(r->scalar[9], 1700000000123456789, "time");
}

/* runtime/pprof TestConvertCPUProfileNoSamples */
static void test_no_samples(void)
{
	static const unsigned order[] = {1, 9, 11, 12, 13, 3, 6};
	struct pa_profile *p = cpu_profile();
	struct read_profile *r = encode(p, PA_PPROF_SYMBOLIZE_NAMES);

	check_head(r);
	is_int(r->sample_count, 0, "no samples");
	is_int(r->location_count + r->function_count, 0, "no locations, no functions");
	is_int(r->mapping_count, 3, "all mappings, though unused");
	is_str(read_string(r, r->mappings[0].f[5]), "/usr/bin/t", "the executable first");
	is_int(r->mappings[0].f[7], 0, "without names of functions");
	is_int(r->scalar[10], 0, "no duration");
	is_int(r->scalar[14], 0, "no default sample type");
	is_int(r->comment_count, 1, "one comment");
	is_str(read_string(r, (uint64_t)r->comments[0]), "profagent " PA_VERSION, "the version");
	ok(r->order_count == sizeof(order) / sizeof(order[0]) &&
		   !memcmp(r->order, order, sizeof(order)),
	   "in this order, strings last");
	read_profile_free(r);
	pa_profile_free(p);
}

/* runtime/pprof TestConvertCPUProfile: equal stacks are one sample. */
static void test_cpu_profile(void)
{
	static const unsigned order[] = {1, 9, 10, 11, 12, 13, 14, 2, 3, 4, 5, 6};
	struct pa_profile *p = cpu_profile();
	struct read_profile *r;

	p->duration_ns = 5000000007;
	p->default_type = "cpu";
	pa_profile_comment(p, "cpu engine %s, %u Hz", "timer", 500u);
	ADD(p, 10, EXE + 0x100, EXE + 0x200);
	ADD(p, 20, EXE + 0x300, EXE + 0x300);
	ADD(p, 10, EXE + 0x100, EXE + 0x200);
	ADD(p, -3, EXE + 0x3ff);
	r = encode(p, PA_PPROF_SYMBOLIZE_NAMES);
	check_head(r);
	is_int(r->scalar[10], 5000000007, "duration");
	is_str(read_string(r, r->scalar[14]), "cpu", "default sample type");
	is_int(r->sample_count, 3, "three samples");
	is_int(r->samples[0].values[0], 20, "10 + 10");
	is_int(r->samples[0].values[1], 40000000, "40 ms");
	is_str(read_frame(r, 0, 0), "fn1", "leaf first");
	is_str(read_frame(r, 0, 1), "fn2", "then its caller");
	is_int(r->samples[1].values[1], 40000000, "20 * 2 ms");
	is_int(r->samples[1].locations[0], r->samples[1].locations[1],
	       "one location an address, also in recursion");
	is_int(r->samples[2].values[0], -3, "negative values pass");
	is_int(r->samples[2].values[1], -6000000, "both");
	is_int(r->location_count, 4, "a location an address");
	is_int(r->function_count, 3, "a function a name");
	is_int(r->locations[0].address, EXE + 0x100, "addresses as they are");
	is_int(r->locations[0].mapping, 1, "in the executable");
	is_int(r->mappings[0].f[7], 1, "which has function names");
	is_int(r->mappings[1].f[7] + r->mappings[2].f[7], 0, "the others have not");
	is_int(r->mappings[0].f[8] + r->mappings[0].f[9] + r->mappings[0].f[10], 0,
	       "nor files, lines and inlined frames");
	is_int(r->mappings[0].f[2], EXE, "start");
	is_int(r->mappings[0].f[3], EXE + 0x100000, "limit");
	is_int(r->mappings[0].f[4], 0x1000, "offset");
	is_str(read_string(r, r->mappings[0].f[6]), "28b8", "build id");
	is_str(read_string(r, r->mappings[2].f[5]), "/usr/lib/li b\xc3\xa4.so", "file");
	is_int(r->comment_count, 2, "two comments");
	is_str(read_string(r, (uint64_t)r->comments[1]), "cpu engine timer, 500 Hz",
	       "the profile's own behind the version");
	ok(r->order_count == sizeof(order) / sizeof(order[0]) &&
		   !memcmp(r->order, order, sizeof(order)),
	   "in Go's order, strings last");
	read_profile_free(r);
	pa_profile_free(p);
}

static void test_names(void)
{
	struct pa_profile *p = cpu_profile();
	struct read_profile *r;
	const uint64_t *f;

	ADD(p, 1, EXE + 0x80000, EXE + 0x80010, EXE + 0x7ff00);
	ADD(p, 1, LIB, LIB + 0x20);
	ADD(p, 1, 0x1234);
	ADD(p, 1, JIT + 8);
	r = encode(p, PA_PPROF_SYMBOLIZE_NAMES);
	f = r->functions[0].f;
	is_str(read_string(r, f[2]), "ns::f<int>(2048)", "readable name");
	is_str(read_string(r, f[3]), "_ZN2ns1fIiEEv2048", "linkage name");
	f = r->functions[1].f;
	is_int(f[2], f[3], "one string where both are the same");
	is_str(read_frame(r, 1, 0), "bad??name??", "bytes that readers refuse are replaced");
	is_str(read_frame(r, 1, 1), "li b\xc3\xa4.so+0x2020",
	       "an address without a name: its place in the file");
	is_int(r->locations[4].mapping, 3, "in its object");
	is_int(r->mappings[2].f[7], 1, "which counts as named: no one shall overwrite the others");
	is_str(read_frame(r, 2, 0), "0x1234", "an address in no object");
	is_int(r->locations[5].mapping, 0, "in no mapping");
	is_str(read_frame(r, 3, 0), "0x7e0000000008", "code without a file");
	is_int(r->mappings[1].f[7], 1, "named as well");
	read_profile_free(r);
	pa_profile_free(p);
}

static void test_unnamed_functions(void)
{
	struct pa_profile *p = cpu_profile();
	struct read_profile *r;

	ADD(p, 1, LIB + 0x8010, LIB + 0x8ff0, LIB + 0x9000, LIB + 0xa000, LIB + 0xa001);
	r = encode(p, PA_PPROF_SYMBOLIZE_NAMES);
	is_str(read_frame(r, 0, 0), "li b\xc3\xa4.so+0xa000", "where the function begins");
	is_str(read_frame(r, 0, 1), "li b\xc3\xa4.so+0xa000", "for all of its addresses");
	is_str(read_frame(r, 0, 2), "li b\xc3\xa4.so+0xb000", "the next one");
	is_str(read_frame(r, 0, 4), "li b\xc3\xa4.so+0xc001", "the address behind all functions");
	is_int(r->function_count, 4, "one function each");
	is_int(r->functions[0].f[2], r->functions[0].f[3], "its linkage name is the same");
	is_int(r->location_count, 5, "but a location for each address");
	is_int(r->locations[1].address, LIB + 0x8ff0, "as it is");
	read_profile_free(r);
	pa_profile_free(p);
}

static void is_line(const struct read_profile *r, size_t location, size_t i, const char *text)
{
	const struct read_line *l = &r->locations[location].line[i];
	const uint64_t *f = r->functions[l->function - 1].f;
	char got[256];

	snprintf(got, sizeof(got), "%s %s:%d:%d from %d", read_string(r, f[2]),
		 read_string(r, f[4]), (int)l->line, (int)l->column, (int)f[5]);
	is_str(got, text, "the line");
}

static void test_lines(void)
{
	struct pa_profile *p = cpu_profile();
	struct read_profile *r;

	ADD(p, 1, EXE + 0x41000, EXE + 0x40010, EXE + 0x40020, EXE + 0x100);
	ADD(p, 1, LIB + 0x9000, LIB + 0xf000, PA_PSEUDO_FRAME(PA_PSEUDO_TRUNCATED), AGENT);
	lines_asked = 0;
	r = encode(p, PA_PPROF_SYMBOLIZE_LINES);
	is_int(lines_asked, 6, "all code is asked for at once");
	is_int(r->locations[0].lines, 3, "inlined functions are lines of one location");
	is_line(r, 0, 0, "strcpy /usr/include/string.h:81:3 from 77");
	is_line(r, 0, 1, "ns::g() /src/a.cc:12:9 from 10");
	is_line(r, 0, 2, "fn1040 /src/a.cc:40:1 from 30");
	is_line(r, 1, 0, "fn1024 /src/a.cc:16:0 from 7");
	is_line(r, 2, 0, "fn1024 /src/a.cc:32:0 from 7");
	is_int(r->locations[1].line[0].function, r->locations[2].line[0].function,
	       "one function, whatever the line");
	is_line(r, 3, 0, "fn1 :0:0 from 0");
	is_line(r, 4, 0, "static_function /src/lib.c:5:0 from 4");
	is_line(r, 5, 0, "li b\xc3\xa4.so+0x11000 :0:0 from 0");
	ok(r->mappings[0].f[7] && r->mappings[0].f[8] && r->mappings[0].f[9] &&
		   r->mappings[0].f[10],
	   "the executable has all there is");
	ok(r->mappings[2].f[7] && r->mappings[2].f[8] && r->mappings[2].f[9], "the library lines");
	is_int(r->mappings[2].f[10], 0, "but nothing inlined");
	is_int(r->comment_count, 1, "nothing to remark");
	read_profile_free(r);

	r = encode(p, PA_PPROF_SYMBOLIZE_NAMES);
	is_int(lines_asked, 6, "names only: nobody is asked");
	is_int(r->locations[0].lines, 1, "one line a location");
	is_line(r, 0, 0, "fn1040 :0:0 from 0");
	is_int(r->mappings[0].f[8] + r->mappings[0].f[9] + r->mappings[0].f[10], 0, "no flags");
	read_profile_free(r);
	pa_profile_free(p);
}

static void test_line_flags(void)
{
	struct pa_profile *p = cpu_profile();
	struct read_profile *r;

	ADD(p, 1, EXE + 0x42000);
	r = encode(p, PA_PPROF_SYMBOLIZE_LINES);
	ok(r->mappings[0].f[7] && !r->mappings[0].f[8] && !r->mappings[0].f[9],
	   "a name alone sets no other flag");
	read_profile_free(r);
	pa_profile_free(p);
}

static void remarks(int error, size_t missing, const char *text)
{
	struct pa_profile *p = cpu_profile();
	struct read_profile *r;

	ADD(p, 1, EXE + 0x100);
	lines_error = error;
	lines_missing = missing;
	r = encode(p, PA_PPROF_SYMBOLIZE_LINES);
	lines_error = 0;
	lines_missing = 0;
	is_int(r->comment_count, 2, "one comment more");
	is_str(read_string(r, (uint64_t)r->comments[1]), text, "it says");
	is_str(read_frame(r, 0, 0), "fn1", "names are there all the same");
	read_profile_free(r);
	pa_profile_free(p);
}

static void test_no_lines(void)
{
	remarks(-ETIMEDOUT, 1234,
		"1234 addresses have no line numbers: the time for them ran out; ask again");
	remarks(-ENOENT, 7, "7 addresses have no line numbers: ENOENT (no such file or directory)");
}

static void test_pseudo_frames(void)
{
	const uint64_t *m;
	struct pa_profile *p = cpu_profile();
	struct read_profile *r;

	ADD(p, 1, KERNEL + 5, EXE + 0x100);
	ADD(p, 7, PA_PSEUDO_FRAME(PA_PSEUDO_LOST));
	ADD(p, 2, EXE + 0x100, PA_PSEUDO_FRAME(PA_PSEUDO_TRUNCATED));
	add(p, 0, NULL, 4);
	r = encode(p, PA_PPROF_SYMBOLIZE_NAMES);
	is_str(read_frame(r, 0, 0), "do_syscall_64", "kernel frame");
	is_int(r->locations[0].mapping, 4, "in the kernel's mapping");
	is_int(r->mappings[3].f[7], 1, "which has names");
	is_str(read_frame(r, 1, 0), "[lost samples]", "lost samples");
	is_str(read_frame(r, 2, 1), "[stack truncated]", "truncated");
	is_str(read_frame(r, 3, 0), "[stack unknown]", "no stack");
	is_int(r->mapping_count, 5, "one mapping more");
	m = r->mappings[4].f;
	is_str(read_string(r, m[5]), "[profagent]", "for pseudo frames");
	is_int(m[7], 1, "with names");
	is_int(r->locations[2].mapping, 5, "they lie in it");
	ok(r->locations[2].address >= m[2] && r->locations[2].address < m[3], "by address too");
	read_profile_free(r);

	resolved = 0;
	r = encode(p, PA_PPROF_SYMBOLIZE_NONE);
	is_int(resolved, 1, "without symbols only the kernel is looked at");
	is_str(read_frame(r, 0, 0), "do_syscall_64", "kernel frames keep their names");
	is_str(read_frame(r, 1, 0), "[lost samples]", "pseudo frames too");
	is_str(read_frame(r, 0, 1), "", "the others have none");
	is_int(r->locations[1].lines, 0, "no line at all");
	is_int(r->locations[1].mapping, 1, "but their mapping");
	is_int(r->mappings[0].f[7], 0, "whose flag is not set");
	is_int(r->mappings[3].f[7] + r->mappings[4].f[7], 2, "the kernel's and ours are");
	read_profile_free(r);
	pa_profile_free(p);
}

static void test_agent_frames(void)
{
	struct pa_profile *p = cpu_profile();
	struct read_profile *r;

	ADD(p, 1, AGENT, EXE + 0x100, AGENT + 1, EXE + 0x200);
	ADD(p, 2, AGENT + 2, AGENT + 3);
	ADD(p, 3, AGENT);
	r = encode(p, PA_PPROF_SYMBOLIZE_NAMES);
	is_int(r->samples[0].location_count, 2, "the agent's frames are dropped");
	is_str(read_frame(r, 0, 0), "fn1", "the leaf");
	is_str(read_frame(r, 0, 1), "fn2", "its caller");
	is_int(r->samples[1].location_count, 1, "a stack of nothing else");
	is_str(read_frame(r, 1, 0), "[profagent]", "is one pseudo frame");
	is_str(read_frame(r, 2, 0), "[profagent]", "the next too");
	is_int(r->samples[1].values[0] + r->samples[2].values[0], 5, "no value is lost");
	is_int(r->location_count, 3, "no location for agent code");
	read_profile_free(r);
	pa_profile_free(p);
}

static void test_four_types(void)
{
	static const char *const names[][2] = {{"alloc_objects", "count"},
					       {"alloc_space", "bytes"},
					       {"inuse_objects", "count"},
					       {"inuse_space", "bytes"}};
	const int64_t values[] = {INT64_MAX, INT64_MIN, 0, -1};
	struct pa_profile *p = pa_profile_new("heap");
	struct read_profile *r;
	uint64_t frame = EXE + 0x100;

	if (!p)
		read_fail("no profile");
	for (int i = 0; i < 4; i++)
		p->types[i] = (struct pa_value_type){names[i][0], names[i][1]};
	p->type_count = 4;
	p->period_type = (struct pa_value_type){"space", "bytes"};
	p->period = 524288;
	pa_profile_add(p, &frame, 1, values);
	r = encode(p, PA_PPROF_SYMBOLIZE_NAMES);
	is_int(r->sample_types, 4, "four types");
	is_str(read_string(r, r->sample_type[3][1]), "inuse_space", "the last is the default");
	ok(!memcmp(r->samples[0].values, values, sizeof(values)), "extreme values come through");
	is_int(r->scalar[9], 0, "no time: left out");
	read_profile_free(r);
	p->type_count = 5;
	ok(pa_pprof_new(p, &names_only, &(struct pa_pprof *){NULL}) == -EINVAL,
	   "too many types are refused");
	pa_profile_free(p);
}

static void stack_of(uint64_t i, uint64_t frames[20])
{
	for (uint64_t d = 0; d < 20; d++)
		frames[d] = EXE + ((i * (d + 1) * 64 + d * 977) % 0x7f000);
}

static struct pa_profile *large_profile(uint64_t count)
{
	struct pa_profile *p = cpu_profile();

	for (uint64_t i = 0; i < count; i++) {
		uint64_t frames[20];

		stack_of(i, frames);
		frames[19] = EXE + i % 0x8000; /* keeps them distinct together with frame 18 */
		frames[18] = EXE + i / 0x8000;
		add(p, 20, frames, (int64_t)i);
	}
	return p;
}

static void test_large(void)
{
	const uint64_t count = 100000;
	struct pa_profile *p = large_profile(count);
	struct read_profile *r = encode(p, PA_PPROF_SYMBOLIZE_NAMES);
	bool good = true;

	is_int(r->sample_count, count, "100 000 stacks");
	for (uint64_t i = 0; i < r->sample_count; i++) {
		const struct read_sample *s = &r->samples[i];
		uint64_t frames[20];

		stack_of(i, frames);
		good = good && s->location_count == 20 && s->values[0] == (int64_t)i;
		for (size_t d = 0; good && d < 18; d++)
			good = r->locations[s->locations[d] - 1].address == frames[d];
	}
	ok(good, "each with its frames and values");
	ok(r->location_count > 5000, "%zu locations", r->location_count);
	read_profile_free(r);
	pa_profile_free(p);
}

static int count_write(struct pa_sink *s, const void *data, size_t len)
{
	(void)data;
	return s->total + len > 500 ? -EPIPE : 0;
}

static int limit_write(struct pa_sink *s, const void *data, size_t len)
{
	(void)s;
	(void)data;
	(void)len;
	return -ECONNRESET;
}

/* runtime/pprof TestWriteToErr */
static void test_write_errors(void)
{
	int (*const writes[])(struct pa_sink *, const void *, size_t) = {count_write, limit_write};
	const int errors[] = {-EPIPE, -ECONNRESET};
	struct pa_profile *p = large_profile(1000);
	size_t before = pa_mem_used();

	for (size_t i = 0; i < 2; i++) {
		struct pa_sink out = {.write = writes[i]};
		struct pa_pprof *e;

		if (pa_pprof_new(p, &names_only, &e) != 0)
			read_fail("pa_pprof_new");
		is_int(pa_pprof_write(e, &out), errors[i], "the sink's error comes back");
		pa_pprof_free(e);
		is_int(pa_mem_used(), before, "and nothing leaks");
	}
	open_error = -EMFILE;
	ok(pa_pprof_new(p, &names_only, &(struct pa_pprof *){NULL}) == -EMFILE,
	   "no symbols: refused");
	open_error = 0;
	is_int(pa_mem_used(), before, "without a leak");
	pa_profile_free(p);
	pa_pprof_free(NULL);
}

/* Whatever the budget: refused with nothing taken, or written as a whole. */
static void test_budget(void)
{
	struct pa_profile *p = large_profile(150);
	size_t before = pa_mem_used();
	unsigned refused = 0, leaks = 0, wrong = 0;
	int r = -ENOMEM;

	for (size_t extra = 0; r; extra += 4096) {
		struct pa_sink out = {.write = count_write};
		struct pa_pprof *e = NULL;

		pa_mem_limit_set(before + extra);
		r = pa_pprof_new(p, &names_only, &e);
		refused += r == -ENOMEM;
		wrong += r != 0 && r != -ENOMEM;
		if (r == 0) {
			size_t used = pa_mem_used();

			wrong += pa_pprof_write(e, &out) != -EPIPE;
			wrong += pa_mem_used() != used;
			pa_pprof_free(e);
		}
		leaks += pa_mem_used() != before;
	}
	ok(refused > 50, "refused at %u budgets", refused);
	is_int(leaks, 0, "never with a leak");
	is_int(wrong, 0, "memory is taken before anything is written");
	pa_mem_limit_set(DEFAULT_BUDGET);
	pa_profile_free(p);
}

/* As programs have them: many stacks of few functions. */
static struct pa_profile *usual_profile(uint64_t count)
{
	struct pa_profile *p = cpu_profile();

	for (uint64_t i = 0; i < count; i++) {
		uint64_t frames[20];

		for (uint64_t d = 0; d < 20; d++)
			frames[d] = EXE + 8 * (i * 7919 % 5000 + (d + 1) * (i / 5000)) % 20000;
		add(p, 20, frames, (int64_t)i);
	}
	return p;
}

/* A profile that fills its share of the budget can still be written. */
static void test_full_profile(void)
{
	static const size_t limits[] = {(size_t)4 << 20, (size_t)8 << 20};

	for (size_t i = 0; i < 2; i++) {
		struct pa_profile *p;
		struct read_profile *r;
		int64_t sum = 0;

		pa_mem_limit_set(limits[i]);
		p = usual_profile(100000);
		ok(pa_profile_count(p) < 100000, "%zu stacks fit %zu MiB", pa_profile_count(p) - 1,
		   limits[i] >> 20);
		r = encode(p, PA_PPROF_SYMBOLIZE_NAMES);
		is_str(read_frame(r, r->sample_count - 1, 0), "[profile over memory limit]",
		       "the others are one sample");
		for (size_t s = 0; s < r->sample_count; s++)
			sum += r->samples[s].values[0];
		is_int(sum, 100000ll * 99999 / 2, "the total is true");
		read_profile_free(r);
		pa_profile_free(p);
		pa_mem_limit_set(DEFAULT_BUDGET);
	}
}

int main(void)
{
	test_no_samples();
	test_cpu_profile();
	test_names();
	test_unnamed_functions();
	test_lines();
	test_line_flags();
	test_no_lines();
	test_pseudo_frames();
	test_agent_frames();
	test_four_types();
	test_large();
	test_write_errors();
	test_budget();
	test_full_profile();
	is_int(opened, closed, "every view of the symbols was closed");
	is_int(pa_mem_used(), 0, "all memory is given back");
	return tap_done();
}
