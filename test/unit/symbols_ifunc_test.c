/* SPDX-License-Identifier: Apache-2.0
 * Implementations of indirect functions: those of the running libc and libm, for which dlsym knows
 * the truth, wherever in them an address lies. */
#include "test/tap.h"

#include <dlfcn.h>
#include <link.h>
#include <math.h>
#include <wchar.h>

#include "agent/base/arena.h"
#include "agent/symbols/object.h"
#include "agent/symbols/symbols.h"

/* Their relocations are what tells these in libm, and strstr and wcsrchr in libc. */
double (*volatile use_sin)(double) = sin;
double (*volatile use_pow)(double, double) = pow;
char *(*volatile use_strstr)(const char *, const char *) = strstr;

struct symbol {
	char name[100];
	uintptr_t address; /* of the implementation */
};
static struct symbol table[400];
static size_t table_count;

static int find_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char **part = arg;
	static char path[4096];

	(void)size;
	if (!strstr(info->dlpi_name, *part))
		return 0;
	snprintf(path, sizeof(path), "%s", info->dlpi_name);
	*part = path;
	return 1;
}

static bool has_local_symbols(const char *path)
{
	char cmd[4200];

	snprintf(cmd, sizeof(cmd), "readelf -SW '%s' | grep -q ' \\.symtab '", path);
	return system(cmd) == 0;
}

/* Of that library, also where something else is preloaded. */
static bool read_table(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
	char cmd[4200], line[1000];
	FILE *f;

	table_count = 0;
	snprintf(cmd, sizeof(cmd),
		 "readelf --dyn-syms -W '%s' | awk '$4 == \"IFUNC\" { print $8 }'", path);
	f = popen(cmd, "r");
	while (f && fgets(line, sizeof(line), f) && table_count < 400) {
		struct symbol *s = &table[table_count];

		snprintf(s->name, sizeof(s->name), "%.*s", (int)strcspn(line, "@\n"), line);
		s->address = (uintptr_t)dlsym(library, s->name);
		table_count += s->address != 0;
	}
	if (library)
		dlclose(library);
	return f && pclose(f) == 0 && table_count;
}

/* Whether an address is implementation of a function with that name. */
static bool is_name_of(uintptr_t address, const char *name)
{
	for (size_t i = 0; i < table_count; i++) {
		if (table[i].address == address && !strcmp(table[i].name, name))
			return true;
	}
	return false;
}

static void check_symbol(struct pa_symbols *s, const struct symbol *t, unsigned *named,
			 unsigned *wrong)
{
	for (unsigned into = 0; into < 4; into += 3) {
		struct pa_symbol sym;
		bool own;

		if (!pa_symbols_name(s, t->address + into, &sym))
			continue;
		own = sym.borrowed && sym.start == t->address && is_name_of(t->address, sym.name);
		/* "time" and "gettimeofday" are functions of the vDSO. */
		if (!own && sym.borrowed) {
			printf("# %s+%u: %s\n", t->name, into, sym.name);
			++*wrong;
		}
		*named += own && !into;
	}
}

static void test_library(const char *part, unsigned least)
{
	unsigned named = 0, wrong = 0;
	const char *path = part;
	struct pa_symbols *s;

	if (!dl_iterate_phdr(find_library, &path) || has_local_symbols(path) || !read_table(path)) {
		ok(1, "%s has symbols for all functions, or no indirect ones # SKIP", part);
		return;
	}
	is_int(pa_symbols_open(&s), 0, "opens");
	for (size_t i = 0; i < table_count; i++)
		check_symbol(s, &table[i], &named, &wrong);
	ok(!wrong, "%s: no wrong name", part);
	ok(named >= least, "%s: %u of %zu named", part, named, table_count);
	pa_symbols_close(s);
}

/* One that several functions share has one name, which does not depend on who is asked first. */
static void test_choice(void)
{
	static const char *const names[] = {"memcpy", "memmove", "strlen", "strchr",  "memset",
					    "strcmp", "memchr",  "strstr", "strrchr", "wcslen"};
	void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
	struct pa_symbols *s;
	char text[200] = "";

	is_int(pa_symbols_open(&s), 0, "opens");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct pa_symbol sym;

		pa_symbols_resolve(s, (uintptr_t)dlsym(libc, names[i]), &sym);
		if (sym.borrowed)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s=%s ",
				 names[i], sym.name);
		ok(!sym.borrowed || !strcmp(sym.name, names[i]) ||
			   (!strcmp(names[i], "memmove") && !strcmp(sym.name, "memcpy")),
		   "%s is called %s", names[i], sym.name);
	}
	printf("# %s\n", text);
	pa_symbols_close(s);
	dlclose(libc);
}

int main(void)
{
	const double x = use_pow(use_sin(0.5), 2);

	ok(x < 1 && use_strstr("abc", "b"), "used");
	test_library("libc.so.6", 30);
	test_library("libm.so.6", 2);
	test_choice();
	pa_object_cache_drop();
	is_int(pa_mem_used(), 0, "no memory is left over");
	return tap_done();
}
