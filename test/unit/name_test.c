/* SPDX-License-Identifier: Apache-2.0
 * Linkage names as compilers write them, and what a profile shows: all the way from the symbol
 * table of a loaded object. */
#include "test/tap.h"

#include <dlfcn.h>

#include "agent/base/arena.h"
#include "agent/symbols/name.h"
#include "agent/symbols/object.h"
#include "agent/symbols/symbols.h"

static char dir[] = "/tmp/names.XXXXXX";

static const struct {
	const char *linkage, *name;
} table[] = {
	/* C, assembler, Go, Fortran */
	{"main_loop", "main_loop"},
	{"__libc_early_init", "__libc_early_init"},
	{"runtime.mcall", "runtime.mcall"},
	{"net/http.(*conn).serve", "net/http.(*conn).serve"},
	{"main.init.0", "main.init.0"},
	{"aes_gcm.enc.update", "aes_gcm.enc.update"},
	{"counter.1234", "counter.1234"},
	{"work._omp_fn.0", "work._omp_fn.0"},
	{"__solver_MOD_step", "__solver_MOD_step"},
	{"-[View draw:]", "-[View draw:]"},
	/* clones */
	{"copy_page.constprop.0", "copy_page"},
	{"copy_page.constprop.0.isra.0", "copy_page"},
	{"copy_page.isra.12.constprop.3.cold", "copy_page"},
	{"copy_page.cold", "copy_page"},
	{"copy_page.cold.17", "copy_page"},
	{"copy_page.part.5", "copy_page"},
	{"copy_page.part.5.lto_priv.0", "copy_page"},
	{"copy_page.lto_priv.12.lto_priv.3", "copy_page"},
	{"copy_page.llvm.1234567890123456789", "copy_page"},
	{"copy_page.__uniq.1403918762", "copy_page"},
	{"copy_page.__uniq.1403918762.llvm.88", "copy_page"},
	{"copy_page.localalias", "copy_page"},
	{"copy_page.localalias.1", "copy_page"},
	{"copy_page.specialized.2", "copy_page"},
	{"copy_page.clone.3", "copy_page"},
	{"copy_page.__part.1", "copy_page"},
	{"copy_page.cfi", "copy_page"},
	{"copy_page.avx2", "copy_page"},
	{"copy_page.avx512f.1", "copy_page"},
	{"copy_page.arch_x86_64_v3", "copy_page"},
	{"copy_page.sse4_2", "copy_page"},
	{"copy_page.default", "copy_page"},
	{"copy.page.cold", "copy.page"},
	/* which these are not */
	{"copy_page.resolver", "copy_page.resolver"},
	{"copy_page.part", "copy_page.part"},
	{"copy_page.colder", "copy_page.colder"},
	{"copy_page.cold.x", "copy_page.cold.x"},
	{"copy_page.isra", "copy_page.isra"},
	{"copy_page.llvm.", "copy_page.llvm."},
	{"copy_page.constprop.zero", "copy_page.constprop.zero"},
	{".cold", ".cold"},
	{".part.0", ".part.0"},
	/* C++ */
	{"_ZN2ns3BoxIiE3hotEi", "ns::Box<int>::hot(int)"},
	{"_ZN2ns3BoxIiE3hotEi.isra.0", "ns::Box<int>::hot(int)"},
	{"_ZN2ns3BoxIiE3hotEi.part.0.constprop.0.cold", "ns::Box<int>::hot(int)"},
	{"_ZN2ns3BoxIiE3hotEi.llvm.5", "ns::Box<int>::hot(int)"},
	{"_ZNK2ns3BoxIiEcvbEv", "ns::Box<int>::operator bool() const"},
	{"_ZN2ns3BoxIiED1Ev", "ns::Box<int>::~Box()"},
	{"_ZN2ns3BoxIiED0Ev", "ns::Box<int>::~Box()"},
	{"_ZN2ns3BoxIiEC1Ev", "ns::Box<int>::Box()"},
	{"_ZN2ns3BoxIiEC2ERKS1_", "ns::Box<int>::Box(ns::Box<int> const&)"},
	{"_ZN2ns3BoxIiEC4Ev", "ns::Box<int>::Box()"},
	{"_ZN2ns12_GLOBAL__N_14anonEi", "ns::(anonymous namespace)::anon(int)"},
	{"_ZN2ns2v26taggedB5cxx11Ei", "ns::v2::tagged[abi:cxx11](int)"},
	{"_Zli2_xB5cxx11PKcm", "operator\"\" _x[abi:cxx11](char const*, unsigned long)"},
	{"_ZlsRSoRK3foo", "operator<<(std::ostream&, foo const&)"},
	{"_ZltRK1CS1_", "operator<(C const&, C const&)"},
	{"_Znwm", "operator new(unsigned long)"},
	{"_ZdlPvm", "operator delete(void*, unsigned long)"},
	{"_ZThn8_N1C1gEi", "non-virtual thunk to C::g(int)"},
	{"_ZTv0_n24_N1V1fEi", "virtual thunk to V::f(int)"},
	{"_ZTch0_h16_N1C5cloneEv", "covariant return thunk to C::clone()"},
	{"_ZZ4mainENKUlT_E_clIiEEDaS_.constprop.0.isra.0",
	 "auto main::{lambda(auto:1)#1}::operator()<int>(int) const"},
	{"_ZZ4mainENKUliE0_clEi", "main::{lambda(int)#2}::operator()(int) const"},
	{"_ZZ4mainEN5Local1qEi.constprop.0", "main::Local::q(int)"},
	{"_Z4nttpILi5EZ4mainEUliE1_EiT0_.constprop.0",
	 "int nttp<5, main::{lambda(int)#3}>(main::{lambda(int)#3})"},
	{"_Z8variadicIJilcEEiDpT_.constprop.0", "int variadic<int, long, char>(int, long, char)"},
	{"_ZL9cold_partiPKc.constprop.0.cold", "cold_part(int, char const*)"},
	{"_Z5multiPii.avx2", "multi(int*, int)"},
	{"_Z5multiPii.resolver", "multi(int*, int) [clone .resolver]"},
	{"_Z3runv._omp_fn.0", "run() [clone ._omp_fn.0]"},
	{"_Z5countPZ5countiE15_Z5counti.Frame.actor",
	 "count(count(int)::_Z5counti.Frame*) [clone .actor]"},
	{"_Z5counti.resume", "count(int) [clone .resume]"},
	{"_ZNSt6vectorIiSaIiEE17_M_realloc_insertIJRKiEEEvN9__gnu_cxx17__normal_iteratorIPiS1_EE"
	 "DpOT_",
	 "void std::vector<int, std::allocator<int> >::_M_realloc_insert<int const&>("
	 "__gnu_cxx::__normal_iterator<int*, std::vector<int, std::allocator<int> > >, int "
	 "const&)"},
	{"_ZNSs4swapERSs", "std::string::swap(std::string&)"},
	{"_ZGVZ4mainE1x", "guard variable for main::x"},
	{"_GLOBAL__sub_I_main", "_GLOBAL__sub_I_main"},
	{"_ZNotmangled", "_ZNotmangled"},
	/* Rust, legacy and v0, as rustc 1.95 writes them */
	{"_ZN1m7generic17h92ef1c5e201a6c4bE", "m::generic"},
	{"_ZN3std2rt10lang_start28_$u7b$$u7b$closure$u7d$$u7d$17h168e94e611939a97E",
	 "std::rt::lang_start::{{closure}}"},
	{"_ZN9hashbrown3raw21RawTable$LT$T$C$A$GT$14reserve_rehash17h33048ff71dfe9d92E.llvm."
	 "770370336900358549",
	 "hashbrown::raw::RawTable<T,A>::reserve_rehash"},
	{"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE.llvm.A0B1C2D3E4F50617",
	 "core::fmt::Formatter::pad"},
	{"_RNvCskK7mfDs1mzF_1m4main", "m::main"},
	{"_RINvCskK7mfDs1mzF_1m7genericyKj3_EB2_", "m::generic::<u64, 3>"},
	{"_RINvCskK7mfDs1mzF_1m5applyNCNvB2_4mains_0EB2_", "m::apply::<m::main::{closure#1}>"},
	{"_RNvXCskK7mfDs1mzF_1mNtB2_2SqNtB2_5Shape4area", "<m::Sq as m::Shape>::area"},
	{"_RNvXs_CskK7mfDs1mzF_1mINtB4_3GenhENtB4_5Shape4areaB4_",
	 "<m::Gen<u8> as m::Shape>::area"},
	{"_RNvCskK7mfDs1mzF_1m4main.llvm.18196633757776602895", "m::main"},
	/* D */
	{"_D3std5stdio4File5closeMFNeZv", "std.stdio.File.close()"},
	{"_D8demangle4testFZv", "demangle.test()"},
	{"_Dmain", "D main"},
};
#define COUNT (sizeof(table) / sizeof(*table))

/* An object with a function for each of them. */
static void *load_functions(void)
{
	char source[100], object[100], cmd[400];
	const char *cc = getenv("CC") ? getenv("CC") : "cc";
	FILE *f;

	snprintf(source, sizeof(source), "%s/names.s", dir);
	snprintf(object, sizeof(object), "%s/names.so", dir);
	f = fopen(source, "w");
	fprintf(f, ".text\n");
	for (size_t i = 0; i < COUNT; i++) {
		char quoted[400];
		size_t n = 0;

		for (const char *s = table[i].linkage; *s; s++) {
			if (*s == '"' || *s == '\\')
				quoted[n++] = '\\';
			quoted[n++] = *s;
		}
		quoted[n] = '\0';
		fprintf(f,
			".globl \"%s\"\n.type \"%s\", @function\n\"%s\":\n.skip 16, 0x90\n"
			".size \"%s\", 16\n",
			quoted, quoted, quoted, quoted);
	}
	fclose(f);
	snprintf(cmd, sizeof(cmd), "%s -shared -nostdlib -o %s %s 2>&1 | sed 's/^/# /'", cc, object,
		 source);
	return system(cmd) == 0 ? dlopen(object, RTLD_NOW) : NULL;
}

static void test_table(void)
{
	void *object = load_functions();
	struct pa_symbols *s;

	if (!object) {
		ok(1, "no compiler # SKIP");
		return;
	}
	if (pa_symbols_open(&s) < 0) {
		ok(0, "a view opens");
		return;
	}
	for (size_t i = 0; i < COUNT; i++) {
		struct pa_symbol sym = {.name = "(not there)"};
		char *at = dlsym(object, table[i].linkage);

		if (at)
			pa_symbols_resolve(s, (uintptr_t)at + 7, &sym);
		is_str(sym.name, table[i].name, table[i].linkage);
		if (!sym.system_name || strcmp(sym.system_name, table[i].linkage) != 0)
			ok(0, "the linkage name is kept (%s)", sym.system_name);
	}
	pa_symbols_close(s);
	dlclose(object);
}

static void test_base(void)
{
	static const char cold[] = "x.cold";
	static char text[40000];

	is_int(pa_name_base(""), 0, "nothing");
	is_int(pa_name_base("."), 1, "a dot");
	is_int(pa_name_base(".."), 2, "two");
	is_int(pa_name_base("a."), 2, "at the end");
	is_int(pa_name_base("a.0"), 3, "a number alone");
	is_int(pa_name_base("a..cold"), 2, "an empty part");
	is_int(pa_name_base("a.cold.0.0"), 10, "two numbers");
	for (size_t i = 0; i + 6 < sizeof(text); i += 5)
		memcpy(text + i, &cold[i > 0], 6);
	memcpy(text, "xxxxx", 5);
	is_int(pa_name_base(text), 5, "thousands");
}

static void test_better(void)
{
	static const char *const order[] = {"poll",  "poll2", "qoll2", "_aio",
					    "_poll", "__po",  "__poll"};

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		for (size_t k = 0; k < sizeof(order) / sizeof(*order); k++)
			if (pa_name_better(order[i], order[k]) != (i < k))
				ok(0, "%s and %s", order[i], order[k]);
	}
	ok(1, "of two names one is better");
}

/* Of one clone in the running kernel. */
static void test_kernel(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[300], name[200] = "", type;
	unsigned long long addr = 0;
	struct pa_symbols *s;
	struct pa_symbol sym;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %c %199s", &addr, &type, name) == 3 && type == 't' &&
		    strstr(name, ".isra.0") && addr)
			break;
		addr = 0;
	}
	if (f)
		fclose(f);
	if (!addr || pa_symbols_open(&s) < 0) {
		ok(1, "this kernel hides its names, or has no clones # SKIP");
		return;
	}
	pa_symbols_resolve(s, addr, &sym);
	is_str(sym.system_name, name, "a function of the kernel");
	*strchr(name, '.') = '\0';
	is_str(sym.name, name, "without what the compiler appended");
	pa_symbols_close(s);
}

int main(void)
{
	char cmd[100];

	if (!mkdtemp(dir))
		return 1;
	test_table();
	test_base();
	test_better();
	pa_object_cache_drop();
	is_int(pa_mem_used(), 0, "no memory is left over");
	test_kernel();
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return tap_done() | (system(cmd) != 0);
}
