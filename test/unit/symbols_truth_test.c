/* SPDX-License-Identifier: Apache-2.0
 * Names and addresses of real libraries and programs against readelf and dlsym.
 * timeout: 120 */
#include "test/tap.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/symbols/object.h"
#include "agent/symbols/symbols.h"
#include "agent/symbols/symtab.h"

struct truth {
	uint64_t value, size;
	char *name;
};

static struct truth *truth;
static size_t truth_count, truth_cap;

static int by_value(const void *a, const void *b)
{
	const struct truth *x = a, *y = b;

	return x->value < y->value ? -1 : x->value > y->value;
}

/* Functions of a file as readelf lists them; false without readelf or without any. */
static bool read_truth(const char *file, const char *options)
{
	static char line[1 << 16], name[1 << 16];
	char cmd[300];
	FILE *f;

	while (truth_count)
		free(truth[--truth_count].name);
	snprintf(cmd, sizeof(cmd), "readelf -W %s '%s' 2>/dev/null", options, file);
	f = popen(cmd, "r");
	while (f && fgets(line, sizeof(line), f)) {
		char size[20], type[20], section[20];
		unsigned long long value;

		/* Num: Value Size Type Bind Vis Ndx Name */
		if (sscanf(line, " %*d: %llx %19s %19s %*s %*s %19s %65535s", &value, size, type,
			   section, name) != 5 ||
		    (strcmp(type, "FUNC") != 0 && strcmp(type, "IFUNC") != 0) ||
		    !strcmp(section, "UND"))
			continue;
		if (strchr(name + 1, '@'))
			*strchr(name + 1, '@') = '\0';
		if (truth_count == truth_cap) {
			truth_cap = truth_cap ? truth_cap * 2 : 1024;
			truth = realloc(truth, truth_cap * sizeof(*truth));
		}
		truth[truth_count++] = (struct truth){value, strtoull(size, NULL, 0), strdup(name)};
	}
	if (f)
		pclose(f);
	qsort(truth, truth_count, sizeof(*truth), by_value);
	return truth_count > 0;
}

static bool is_alias(size_t i, const char *name)
{
	for (size_t k = i; k < truth_count && truth[k].value == truth[i].value; k++) {
		if (!strcmp(truth[k].name, name))
			return true;
	}
	return false;
}

/* Whether some function contains the value; unknown (-1) near symbols without size. */
static int in_truth(uint64_t value)
{
	for (size_t i = 0; i < truth_count && truth[i].value <= value; i++) {
		if (value - truth[i].value < truth[i].size)
			return 1;
	}
	for (size_t i = truth_count; i-- > 0;) {
		if (truth[i].value <= value)
			return truth[i].size ? 0 : -1;
	}
	return 0;
}

/* The bias and path that the dynamic linker knows for a loaded library. */
struct loaded {
	const char *part;
	uint64_t bias;
	char path[300];
};

static int find_loaded(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct loaded *l = arg;

	(void)size;
	if (!strstr(info->dlpi_name, l->part))
		return 0;
	l->bias = info->dlpi_addr;
	snprintf(l->path, sizeof(l->path), "%s", info->dlpi_name);
	return 1;
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Each function of a loaded library at its start, in its middle and at its last byte. */
static void check_names(struct pa_symbols *s, const struct loaded *l)
{
	unsigned checked = 0, wrong = 0, inner = 0;

	for (size_t i = 0; i < truth_count; i++) {
		const struct truth *t = &truth[i];
		const uint64_t at[3] = {t->value, t->value + t->size / 2,
					t->value + (t->size ? t->size - 1 : 0)};

		if (i && truth[i - 1].value == t->value)
			continue;
		for (int k = 0; k < 3; k++) {
			struct pa_symbol sym;

			pa_symbols_resolve(s, l->bias + at[k], &sym);
			checked++;
			if (sym.known && sym.start > l->bias + t->value) {
				inner++; /* another one begins in between */
				continue;
			}
			if (!sym.known || sym.start != l->bias + t->value ||
			    !is_alias(i, sym.system_name)) {
				if (wrong++ < 5)
					printf("# %s+%d: %s (%s)\n", t->name, k, sym.system_name,
					       sym.name);
			}
		}
	}
	ok(wrong == 0 && checked > 100,
	   "%s: %u addresses named as readelf does, %u wrong (%u inner)", l->part, checked, wrong,
	   inner);
	ok(inner <= checked / 50, "few symbols lie inside others");
}

static void check_gaps(struct pa_symbols *s, const struct loaded *l)
{
	uint64_t low = truth[0].value, high = truth[truth_count - 1].value;
	unsigned known = 0, unknown = 0, wrong = 0;

	for (int i = 0; i < 2000; i++) {
		uint64_t value = low + (high - low) / 2000 * (unsigned)i + (unsigned)i % 13;
		int want = in_truth(value);
		struct pa_symbol sym;

		pa_symbols_resolve(s, l->bias + value, &sym);
		if (want < 0 || sym.borrowed || (sym.known && strstr(sym.name, "@plt")))
			continue;
		wrong += sym.known != want;
		if (sym.known)
			known++;
		else
			unknown++;
	}
	is_int(wrong, 0, "an address is known when a symbol contains it, and only then");
	printf("# %s: %u known, %u unknown\n", l->part, known, unknown);
}

/* Stubs of the procedure linkage table, as objdump names them: "0000000000001030 <free@plt>:". */
static void check_stubs(const struct loaded *l)
{
	static char line[1 << 16];
	char cmd[500];
	unsigned checked = 0, wrong = 0;
	struct pa_symbols *s;
	FILE *f;

	snprintf(cmd, sizeof(cmd),
		 "objdump -d -j .plt -j .plt.got -j .plt.sec '%s' 2>/dev/null | grep '@plt>:'",
		 l->path);
	f = popen(cmd, "r");
	is_int(pa_symbols_open(&s), 0, "opens");
	while (f && fgets(line, sizeof(line), f)) {
		unsigned long long value = strtoull(line, NULL, 16);
		char *name = strchr(line, '<');
		struct pa_symbol sym;

		if (!name || strstr(name, "*ABS*")) /* indirect functions, named by their address */
			continue;
		*strchr(++name, '>') = '\0';
		pa_symbols_resolve(s, l->bias + value + 2, &sym);
		checked++;
		if ((!sym.known || strcmp(sym.system_name, name) != 0 ||
		     sym.start != l->bias + value) &&
		    wrong++ < 5)
			printf("# %s: %s\n", name, sym.system_name);
	}
	if (f)
		pclose(f);
	is_int(wrong, 0, "stubs are named as objdump does");
	printf("# %s: %u stubs\n", l->part, checked);
	pa_symbols_close(s);
}

/* How long addresses take, without judging: the first time, and once everything is cached. */
static void report_speed(const struct loaded *l)
{
	pa_object_cache_drop();
	for (int warm = 0; warm < 2; warm++) {
		struct pa_symbols *s;
		double opened, from = now_ms();
		unsigned n = 0;

		if (pa_symbols_open(&s) < 0)
			return;
		opened = now_ms();
		for (; n < 5000; n++) {
			struct pa_symbol sym;
			size_t i = n * 2654435761u % truth_count;

			pa_symbols_resolve(s, l->bias + truth[i].value + n % 4, &sym);
		}
		printf("# %s, %s: opened in %.2f ms, %u addresses in %.2f ms, %zu KiB\n", l->part,
		       warm ? "warm" : "cold", opened - from, n, now_ms() - opened,
		       pa_mem_used() >> 10);
		pa_symbols_close(s);
	}
}

static void test_loaded(const char *part, const char *options)
{
	struct loaded l = {.part = part};
	const struct pa_mapping *maps;
	struct pa_symbols *s;
	struct pa_symbol sym;
	size_t count;

	if (!dl_iterate_phdr(find_loaded, &l) || !read_truth(l.path, options)) {
		printf("# %s: not loaded, or no readelf\n", part);
		return;
	}
	is_int(pa_symbols_open(&s), 0, part);
	maps = pa_symbols_mappings(s, &count);
	check_names(s, &l);
	check_gaps(s, &l);
	pa_symbols_resolve(s, l.bias + truth[truth_count / 2].value, &sym);
	ok(sym.mapping < count && strstr(maps[sym.mapping].file, part), "in the right mapping");
	pa_symbols_close(s);
	check_stubs(&l);
	report_speed(&l);
}

static void test_dlsym(void)
{
	static const char *const functions[] = {
		"printf", "malloc",    "poll",   "pthread_create", "qsort",
		"write",  "nanosleep", "getpid", "fopen",          "epoll_wait"};
	struct pa_symbols *s;

	is_int(pa_symbols_open(&s), 0, "opens");
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		void *f = dlsym(RTLD_DEFAULT, functions[i]);
		struct pa_symbol sym;

		pa_symbols_resolve(s, (uintptr_t)f, &sym);
		is_str(sym.name, functions[i], "the documented name");
		is_int(sym.start, (uintptr_t)f, "at the address that dlsym gives");
		ok(sym.name == sym.system_name, "which is the linkage name in C");
	}
	pa_symbols_close(s);
}

/* A file on its own, at the level of its symbol table. */
static void test_file(const char *path, const char *options)
{
	static struct pa_symtab_names names;
	struct pa_object_id id;
	struct pa_elf_source src;
	struct pa_symtab t;
	struct pa_elf e;
	unsigned checked = 0, wrong = 0;
	double ms;
	int fd = pa_object_open_file(path, &id);

	if (fd < 0 || !read_truth(path, options)) {
		printf("# %s: not there, or no symbols for readelf\n", path);
		return;
	}
	src = pa_elf_source_file(fd, id.size);
	is_int(pa_elf_open(&e, &src), 0, path);
	ms = now_ms();
	is_int(pa_symtab_load(&t, &e), 0, "loads");
	ms = now_ms() - ms;
	for (size_t i = 0; i < truth_count; i++) {
		size_t first, n;
		const char *name = NULL;

		if ((i && truth[i - 1].value == truth[i].value) || !truth[i].size)
			continue;
		if (pa_symtab_find(&t, truth[i].value, &first, &n))
			name = pa_symtab_choose(&t, &src, first, n, &names);
		checked++;
		if ((!name || !is_alias(i, name)) && wrong++ < 5)
			printf("# %s: %s\n", truth[i].name, name ? name : "-");
	}
	ok(wrong == 0 && checked > 1000, "%u functions named as readelf does, %u wrong", checked,
	   wrong);
	printf("# %s: %zu symbols in %zu KiB, read in %.1f ms\n", path, t.count,
	       pa_symtab_bytes(&t) >> 10, ms);
	pa_symtab_done(&t);
	close(fd);
}

/* The dynamic symbols of an image in memory are those of its file. */
static void test_image(const char *part)
{
	static struct pa_symtab_names names;
	struct loaded l = {.part = part};
	struct pa_symtab t;
	struct pa_elf e;
	unsigned checked = 0, wrong = 0;

	if (!dl_iterate_phdr(find_loaded, &l) || !read_truth(l.path, "--dyn-syms"))
		return;
	is_int(pa_elf_open_image(&e, l.bias), 0, "an image in memory");
	is_int(e.src.base, l.bias, "knows its bias");
	is_int(pa_symtab_load_image(&t, &e), 0, "loads");
	for (size_t i = 0; i < truth_count; i++) {
		size_t first, n;
		const char *name = NULL;

		if ((i && truth[i - 1].value == truth[i].value) || !truth[i].size)
			continue;
		if (pa_symtab_find(&t, truth[i].value, &first, &n))
			name = pa_symtab_choose(&t, &e.src, first, n, &names);
		checked++;
		wrong += !name || !is_alias(i, name);
	}
	ok(wrong == 0 && checked > 100, "%s: %u functions named from memory, %u wrong", part,
	   checked, wrong);
	pa_symtab_done(&t);
}

int main(void)
{
	dlopen("libstdc++.so.6", RTLD_NOW | RTLD_GLOBAL);
	dlopen("/usr/lib/x86_64-linux-gnu/libLLVM-14.so.1", RTLD_NOW);
	dlopen("libcrypto.so.3", RTLD_NOW);
	test_loaded("libc.so.6", "--dyn-syms");
	test_loaded("libstdc++.so.6", "--dyn-syms");
	test_loaded("libm.so.6", "--dyn-syms");
	test_loaded("libcrypto.so.3", "--dyn-syms");
	test_loaded("libLLVM-14.so.1", "--dyn-syms");
	test_dlsym();
	test_file("/usr/bin/redis-server", "--dyn-syms");
	test_file("/usr/bin/node", "-s");
	test_image("libc.so.6");
	test_image("libstdc++.so.6");
	pa_object_cache_drop();
	is_int(pa_object_cache_bytes(), 0, "nothing stays pinned");
	is_int(pa_mem_used(), 0, "no memory is left over");
	return tap_done();
}
