/* SPDX-License-Identifier: Apache-2.0
 * Readable names: C++, Rust and D as c++filt writes them; names that nobody's compiler made; no
 * call of malloc and hardly any stack of the caller's. */
#include "test/tap.h"

#include <pthread.h>
#include <time.h>

#include "agent/base/arena.h"
#include "agent/symbols/demangle.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* Counts what reaches the allocator. */
static unsigned long allocations;
#ifndef SANITIZED
void *__libc_malloc(size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_calloc(size_t n, size_t size);

void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

void *realloc(void *p, size_t size)
{
	allocations++;
	return __libc_realloc(p, size);
}

void *calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}
#endif

static struct pa_demangler *d;
static char out[4096];

static const char *readable(const char *mangled)
{
	return pa_demangle(d, mangled, out, sizeof(out)) ? out : "-";
}

static const struct {
	const char *mangled, *readable;
} table[] = {
	{"_ZN2ns3BoxIiE3hotEi", "ns::Box<int>::hot(int)"},
	{"_ZNSt6vectorIiSaIiEE9push_backERKi",
	 "std::vector<int, std::allocator<int> >::push_back(int const&)"},
	{"_ZNSs4swapERSs", "std::string::swap(std::string&)"},
	{"_ZlsRSoRK3foo", "operator<<(std::ostream&, foo const&)"},
	{"_ZN3fooB5cxx11Ev", "foo[abi:cxx11]()"},
	{"_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()() const"},
	{"_ZN3foo3barEv.cold", "foo::bar() [clone .cold]"},
	{"_ZN3foo3barEv.part.0", "foo::bar() [clone .part.0]"},
	{"_ZN3foo3barEv.constprop.1.isra.0", "foo::bar() [clone .constprop.1] [clone .isra.0]"},
	{"_ZThn16_N3foo3barEv", "non-virtual thunk to foo::bar()"},
	{"_ZN3fooD0Ev", "foo::~foo()"},
	{"_Z1fIJiLi12345EEEvv", "void f<int, 12345>()"},
	{"_GLOBAL__I_main", "global constructors keyed to main"},
	/* Rust, legacy and v0. */
	{"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"},
	{"_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$"
	 "3bar17h930b740aa94"
	 "f1d3aE",
	 "<Test + 'static as foo::Bar<Test>>::bar"},
	{"_RNvC6_123foo3bar", "123foo::bar"},
	{"_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar"},
	{"_RNqCs4fqI2P2rA04_11utf8_identsu30____7hkackfecea1cbdathfdh9hlq6y",
	 "utf8_idents::\xe1\x83\xa1\xe1\x83\x90\xe1\x83\xad\xe1\x83\x9b\xe1\x83\x94\xe1\x83\x9a\xe1"
	 "\x83\x90\xe1\x83\x93_\xe1\x83\x92\xe1\x83\x94\xe1\x83\x9b\xe1\x83\xa0\xe1\x83\x98\xe1\x83"
	 "\x94\xe1\x83\x9a\xe1\x83\x98_\xe1\x83\xa1\xe1\x83\x90\xe1\x83\x93\xe1\x83\x98\xe1\x83\x9a"
	 "\xe1\x83\x98"},
	{"_RINbNbCskIICzLVDPPb_5alloc5alloc8box_freeDINbNiB4_5boxed5FnBoxuEp6OutputuEL_"
	 "ECs1iopQbuBiw2_"
	 "3std",
	 "alloc::alloc::box_free::<dyn alloc::boxed::FnBox<(), Output = ()>>"},
	/* D. */
	{"_D3std5stdio4File5writeMFZv", "std.stdio.File.write()"},
	{"_D4test3fooFiAyaZi", "test.foo(int, immutable(char)[])"},
	{"_Dmain", "D main"},
	/* None of them. */
	{"main", "-"},
	{"", "-"},
	{"_", "-"},
	{"_Z", "-"},
	{"_R", "-"},
	{"_D", "-"},
	{"_Zombie", "-"},
	{"_Read", "-"},
	{"_D9", "-"},
	{"__libc_start_main", "-"},
	{"_IO_printf", "-"},
};

static void test_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		is_str(readable(table[i].mangled), table[i].readable, table[i].mangled);
}

static void test_bounds(void)
{
	char small[16];
	size_t n;

	n = pa_demangle(d, "_ZN2ns3BoxIiE3hotEi", small, sizeof(small));
	is_str(small, "ns::Box<int>...", "cut to the buffer");
	is_int(n, 15, "and its length said");
	is_int(pa_demangle(d, "_Z1fv", small, 7), 0, "no room at all");
	is_str(readable("_Z1fv"), "f()", "the next name is whole");
}

static void repeat(char *text, const char *what, int times)
{
	while (times--)
		strcat(text, what);
}

/* Deep, wide and exploding names; whatever the answer, it comes soon. */
static void hostile(char *m, int which)
{
	static const char *const bodies[] = {"P",       "1aI",     "RT_",    "cv",   "PFv",  "A1_",
					     "M1a",     "U3fooPK", "Xdt",    "J",    "DpT_", "N1aI",
					     "cvN1acv", "Z1fvE",   "ps",     "I1aI", "K",    "OT_",
					     "DTcl",    "sr1a",    "LZ1fvE", "C1",   "D0",   "St"};
	static const char *const heads[] = {"_Z1f",   "_Z1fI",    "_ZN",     "_Z",
					    "_Z1fIX", "_Z1fIiEv", "_Z1fDT",  "_RINvC1a1b",
					    "_D1a",   "_D1aF",    "_D1aFPFD"};
	static const char *const rust[] = {"T",        "R",  "A",          "NvC1a1b",
					   "INvC1a1b", "FK", "DNvC1a1bp1a"};
	static const char *const dlang[] = {"P",  "A",  "FD", "3__T", "HA",
					    "G9", "B1", "DF", "Q",    "S1a"};
	const char *head = heads[which % 11];
	int step = which / 11;
	const char *body = head[1] == 'R'   ? rust[step % 7]
			   : head[1] == 'D' ? dlang[step % 10]
					    : bodies[step % 24];
	int length = (step / 24 + 1) * 250;

	strcpy(m, head);
	repeat(m, body, length / (int)strlen(body));
	if (step & 1)
		strcat(m, "i");
	if (step & 2)
		repeat(m, "E", length / (int)strlen(body));
	if (step & 4)
		strcat(m, "v");
}

static void doubling(char *m)
{
	strcpy(m, "_Z1fPFviE");
	for (int i = 0; i < 34; i++) {
		char s[2] = {(char)(i < 10 ? '0' + i : 'A' + i - 10)};

		strcat(m, "PFvS");
		strcat(m, s);
		strcat(m, "_S");
		strcat(m, s);
		strcat(m, "_E");
	}
}

static void *run_hostile(void *arg)
{
	static char m[1 << 14];

	for (int i = 0; i < 11 * 24 * 8; i++) {
		hostile(m, i);
		readable(m);
	}
	doubling(m);
	*(size_t *)arg = pa_demangle(d, m, out, sizeof(out));
	return NULL;
}

static void test_hostile(void)
{
	struct timespec from, to;
	pthread_attr_t attr;
	pthread_t t;
	size_t len = 0;
	double seconds;

	clock_gettime(CLOCK_MONOTONIC, &from);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10); /* less than any of these names needs */
	is_int(pthread_create(&t, &attr, run_hostile, &len), 0, "a thread with a small stack");
	pthread_join(t, NULL);
	clock_gettime(CLOCK_MONOTONIC, &to);
	seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
	is_int(len, sizeof(out) - 1, "2^34 parameters are cut");
	ok(!strcmp(out + len - 3, "..."), "and marked");
	ok(seconds < 20, "2113 hostile names in %.3f s", seconds);
	is_str(readable("_Z1fv"), "f()", "the next name is right");
}

/* What nm finds in a file, one name a line, through another command. */
static FILE *list_names(const char *file, const char *nm_options, const char *filter)
{
	char cmd[500];

	snprintf(cmd, sizeof(cmd),
		 "nm %s '%s' 2>/dev/null | sed -n 's/.* [TtWwVi] \\([^@]*\\).*/\\1/p' | "
		 "grep '^_[ZRD]' | head -20000 | %s",
		 nm_options, file, filter);
	return popen(cmd, "r");
}

/* Names of a library, by nm and by c++filt. */
static void test_library(const char *file, const char *nm_options)
{
	static char line[2][1 << 16];
	FILE *mangled = list_names(file, nm_options, "cat");
	FILE *plain = list_names(file, nm_options, "c++filt -i");
	unsigned checked = 0, wrong = 0;

	while (mangled && plain && fgets(line[0], sizeof(line[0]), mangled) &&
	       fgets(line[1], sizeof(line[1]), plain)) {
		size_t n;

		line[0][strcspn(line[0], "\n")] = '\0';
		line[1][strcspn(line[1], "\n")] = '\0';
		n = pa_demangle(d, line[0], out, sizeof(out));
		if (strlen(line[1]) >= sizeof(out))
			line[1][0] = '\0', out[0] = '\0'; /* cut, as it should be */
		if (strcmp(n ? out : line[0], line[1]) != 0 && wrong++ < 5)
			printf("# %s\n#  got  %s\n#  want %s\n", line[0], n ? out : line[0],
			       line[1]);
		checked++;
	}
	if (mangled)
		pclose(mangled);
	if (plain)
		pclose(plain);
	if (checked)
		is_int(wrong, 0, file);
	printf("# %u names of %s\n", checked, file);
}

static void test_allocations(void)
{
	unsigned long before = allocations;
	char *(*volatile copy)(const char *) = strdup;

	free(copy("x"));
#ifndef SANITIZED
	ok(allocations > before, "strdup is counted");
#endif
	before = allocations;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		readable(table[i].mangled);
	is_int(allocations - before, 0, "no call of malloc");
}

int main(void)
{
	d = pa_demangler_new();
	if (!ok(d != NULL, "a demangler"))
		return tap_done();
	test_table();
	test_bounds();
	test_allocations();
	test_hostile();
	test_library("/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "-D");
	test_library("/usr/lib/x86_64-linux-gnu/libLLVM-14.so.1", "-D");
	pa_demangler_free(d);
	pa_demangler_free(NULL);
	is_int(pa_mem_used(), 0, "no memory is left over");
	pa_mem_limit_set(0);
	ok(!pa_demangler_new(), "over the budget there is none");
	return tap_done();
}
