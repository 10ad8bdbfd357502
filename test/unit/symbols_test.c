/* SPDX-License-Identifier: Apache-2.0
 * The view of a process: its own functions, [vdso], JIT memory, the kernel, plugins that are
 * replaced, split or unloaded, threads, fork, and running out of memory. */
#include "test/tap.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/symbols/object.h"
#include "agent/symbols/symbols.h"
#include "test/unit/symbols_probe.h"

__attribute__((noinline, used)) static int local_function(int n)
{
	return n + 1;
}

static const char *file_of(struct pa_symbols *s, const struct pa_symbol *sym)
{
	size_t count;
	const struct pa_mapping *m = pa_symbols_mappings(s, &count);

	return sym->mapping < count ? m[sym->mapping].file : "(none)";
}

static void test_self(void)
{
	struct pa_symbols *s = open_view();
	size_t count;
	const struct pa_mapping *m = pa_symbols_mappings(s, &count);
	struct pa_symbol sym = resolve(s, (char *)&local_function + 1);
	char exe[4096] = "";

	ok(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0, "has a name");
	is_str(m[0].file, exe, "the executable is the first mapping");
	ok(count >= 3, "%zu mappings", count);
	is_str(sym.name, "local_function", "a static function");
	is_int(sym.start, (uintptr_t)&local_function, "begins where it does");
	is_int(sym.mapping, 0, "in the executable");
	ok(sym.known, "is known");
	ok(pa_symbols_is_agent((uintptr_t)&local_function),
	   "code of the object that the agent is in");
	ok(!pa_symbols_is_agent((uintptr_t)dlsym(RTLD_DEFAULT, "printf")), "libc is not the agent");
	ok(!pa_symbols_is_agent(0) && !pa_symbols_is_agent(UINT64_MAX), "nor is nowhere");
	pa_symbols_close(s);
	pa_symbols_close(NULL);
}

static void test_unknown(void)
{
	struct pa_symbols *s = open_view();
	struct pa_symbol sym = resolve(s, (void *)0x1234);

	is_str(sym.name, "0x1234", "an unmapped address is shown as it is");
	is_str(sym.system_name, "0x1234", "both ways");
	ok(!sym.known && sym.start == 0, "and is not known");
	ok(sym.mapping == PA_NO_MAPPING, "nor in any mapping");
	sym = resolve(s, (void *)0x00fa000000000010);
	is_str(sym.name, "0xfa000000000010", "so is a non-canonical one");
	ok(!sym.known && sym.mapping == PA_NO_MAPPING, "in no mapping either");
	sym = resolve(s, dir);
	ok(!sym.known && sym.mapping == PA_NO_MAPPING, "data is no code");
	pa_symbols_close(s);
}

static void test_vdso(void)
{
	void *vdso = (void *)getauxval(AT_SYSINFO_EHDR);
	void *handle = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
	void *function = handle ? dlsym(handle, "__vdso_clock_gettime") : NULL;
	struct pa_symbols *s = open_view();
	struct pa_symbol sym;
	size_t count;
	const struct pa_mapping *m = pa_symbols_mappings(s, &count);

	if (!vdso || !function) {
		ok(1, "no vDSO here # SKIP");
		pa_symbols_close(s);
		return;
	}
	sym = resolve(s, (char *)function + 1);
	is_str(sym.name, "clock_gettime", "a function of the vDSO");
	is_int(sym.start, (uintptr_t)function, "begins where dlsym says");
	is_str(file_of(s, &sym), "[vdso]", "in its mapping");
	ok(strlen(m[sym.mapping].build_id) >= 16, "which has a build id (%s)",
	   m[sym.mapping].build_id);
	sym = resolve(s, (char *)vdso + 8);
	is_str(sym.name, "[vdso]", "the rest of it has one name");
	ok(sym.known, "which is known, so that nobody asks again");
	pa_symbols_close(s);
}

static void test_kernel(void)
{
	struct pa_symbols *s = open_view();
	struct pa_symbol sym;
	size_t before, after;

	pa_symbols_mappings(s, &before);
	sym = resolve(s, (void *)0xffffffff81000010);
	pa_symbols_mappings(s, &after);
	is_int(after, before + 1, "the kernel's mapping comes with its first address");
	is_int(sym.mapping, before, "as the last one");
	is_str(file_of(s, &sym), "[kernel.kallsyms]", "by its usual name");
	ok(sym.known && sym.name[0] && strncmp(sym.name, "0x", 2) != 0, "with a name (%s)",
	   sym.name);
	resolve(s, (void *)0xffffffffa0000000);
	pa_symbols_mappings(s, &after);
	is_int(after, before + 1, "there is one");
	pa_symbols_close(s);
}

static void test_jit(void)
{
	void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct pa_symbols *s = open_view();
	struct pa_symbol sym = resolve(s, (char *)code + 16);

	is_str(file_of(s, &sym), "//anon", "JIT code has a mapping");
	is_str(sym.name, "[anonymous code]", "and a name for all of it");
	ok(sym.known, "so that nobody asks again");
	munmap(code, 4096);
	pa_symbols_close(s);
}

/* A plugin whose file is deleted and replaced by another version at the same path. */
static void test_replaced(void)
{
	char path[128], other[128];
	struct pa_symbols *s;
	struct pa_symbol sym;
	void *plugin, *f;

	if (!build("plugin.so", "-shared -fPIC", path, sizeof(path)) ||
	    !build("other.so", "-shared -fPIC -DSECOND", other, sizeof(other))) {
		ok(1, "no compiler # SKIP");
		return;
	}
	plugin = dlopen(path, RTLD_NOW);
	if (!ok(plugin != NULL, "the plugin loads"))
		return;
	f = dlsym(plugin, "probe_global");

	s = open_view();
	sym = resolve(s, f);
	is_str(sym.name, "probe_global", "named before");
	/* Replaced while a request runs: what has no name yet may get none, but not a wrong one. */
	is_int(rename(other, path), 0, "replaced by another version");
	sym = resolve(s, dlsym(plugin, "probe_weak"));
	ok(strncmp(sym.name, "second", 6) != 0, "never named by the new file (%s)", sym.name);
	is_str(resolve(s, f).name, "probe_global", "what was named stays named");
	pa_symbols_close(s);

	s = open_view();
	is_int(wrong_names(s, plugin), 0, "a replaced file: names of what is mapped");
	sym = resolve(s, f);
	is_str(file_of(s, &sym), path, "its path without \" (deleted)\"");
	pa_symbols_close(s);

	is_int(unlink(path), 0, "deleted");
	is_int(mkfifo(path, 0600), 0, "a FIFO in its place");
	s = open_view();
	is_int(wrong_names(s, plugin), 0, "names of what is mapped, and no hanging");
	pa_symbols_close(s);
	unlink(path);
	dlclose(plugin);
}

/* The same without the privilege that /proc/self/map_files takes. */
static void test_replaced_unprivileged(int lines)
{
	pid_t child;
	int status = -1;

	if (geteuid() != 0) {
		ok(1, "runs without privileges anyway # SKIP");
		return;
	}
	chmod(dir, 0777);
	fflush(stdout);
	child = fork();
	if (!child) {
		const int failed = tap_failed;

		/* Keeps /proc/self readable for the new user. */
		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
			_exit(3);
		test_replaced();
		fflush(stdout);
		_exit(tap_failed != failed);
	}
	waitpid(child, &status, 0);
	tap_run += lines; /* the child's */
	is_int(status, 0, "the same as an ordinary user");
}

/* Text in several pieces: by mprotect, and copied to anonymous memory as for huge pages. */
static void test_split(void)
{
	char path[128];
	struct pa_symbols *s;
	void *plugin, *copy, *f;
	char *page;

	if (!build("split.so", "-shared -fPIC", path, sizeof(path))) {
		ok(1, "no compiler # SKIP");
		return;
	}
	plugin = dlopen(path, RTLD_NOW);
	f = plugin ? dlsym(plugin, "probe_far") : NULL;
	if (!ok(f != NULL, "the plugin loads"))
		return;
	page = (char *)((uintptr_t)f & ~(uintptr_t)4095);
	is_int(mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), 0, "split");
	s = open_view();
	is_int(wrong_names(s, plugin), 0, "names in both pieces");
	is_int(resolve(s, f).mapping, resolve(s, dlsym(plugin, "probe_global")).mapping,
	       "one mapping");
	pa_symbols_close(s);

	copy = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	memcpy(copy, page, 4096);
	ok(mremap(copy, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, page) == page, "a page moved");
	s = open_view();
	is_int(wrong_names(s, plugin), 0, "names in anonymous text");
	is_int(resolve(s, f).mapping, resolve(s, dlsym(plugin, "probe_global")).mapping,
	       "one mapping");
	pa_symbols_close(s);
	dlclose(plugin);
}

static void test_unloaded(void)
{
	char path[128];
	struct pa_symbols *s;
	struct pa_symbol sym;
	void *plugin, *f;

	if (!build("unloaded.so", "-shared -fPIC", path, sizeof(path))) {
		ok(1, "no compiler # SKIP");
		return;
	}
	plugin = dlopen(path, RTLD_NOW);
	f = plugin ? dlsym(plugin, "probe_global") : NULL;
	s = open_view();
	unlink(path);
	dlclose(plugin);
	sym = resolve(s, f);
	is_str(file_of(s, &sym), path, "unloaded during a request: still in the list");
	ok(!sym.known && !strncmp(sym.name, "0x", 2), "without a name when its file is gone too");
	pa_symbols_close(s);
	s = open_view();
	ok(resolve(s, f).mapping == PA_NO_MAPPING, "afterwards there is nothing");
	pa_symbols_close(s);
}

static void *use_view(void *arg)
{
	unsigned *wrong = arg;

	for (int i = 0; i < 30; i++) {
		struct pa_symbols *s;

		if (pa_symbols_open(&s) < 0) {
			++*wrong;
			continue;
		}
		*wrong += strcmp(resolve(s, (void *)&local_function).name, "local_function") != 0;
		*wrong += strcmp(resolve(s, dlsym(RTLD_DEFAULT, "poll")).name, "poll") != 0;
		*wrong += strcmp(resolve(s, dlsym(RTLD_DEFAULT, "qsort")).name, "qsort") != 0;
		pa_symbols_close(s);
		if (i % 5 == 0)
			pa_object_cache_drop();
	}
	return NULL;
}

static void test_threads(void)
{
	unsigned wrong[4] = {0};
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, use_view, &wrong[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	is_int(wrong[0] + wrong[1] + wrong[2] + wrong[3], 0, "four requests at a time");
}

static void test_fork(void)
{
	struct pa_symbols *s = open_view();
	int status = -1;
	pid_t child;

	resolve(s, (void *)&local_function);
	fflush(stdout);
	child = fork();
	if (!child) {
		struct pa_symbols *own;

		pa_symbols_fork_child();
		_exit(pa_symbols_open(&own) < 0 ||
		      strcmp(resolve(own, (void *)&local_function).name, "local_function") != 0);
	}
	waitpid(child, &status, 0);
	is_int(status, 0, "a forked child starts afresh");
	is_str(resolve(s, (void *)&local_function).name, "local_function",
	       "and the parent goes on");
	pa_symbols_close(s);
}

/* From no memory at all to enough: never a crash, and right again in the end. */
static void test_memory(void)
{
	const size_t used = pa_mem_used();
	unsigned refused = 0, nameless = 0, named = 0;

	pa_object_cache_drop();
	for (size_t limit = 0; limit < (size_t)1 << 20; limit += 4096) {
		struct pa_symbols *s;
		struct pa_symbol sym;

		pa_mem_limit_set(limit);
		if (pa_symbols_open(&s) < 0) {
			refused++;
			continue;
		}
		sym = resolve(s, (void *)&local_function);
		if (sym.known && !strcmp(sym.name, "local_function"))
			named++;
		else
			nameless += sym.name[0] != '\0';
		resolve(s, dlsym(RTLD_DEFAULT, "poll"));
		resolve(s, (void *)0x99);
		pa_symbols_close(s);
		pa_object_cache_drop();
	}
	pa_mem_limit_set((size_t)64 << 20);
	ok(refused > 0 && named > 0, "%u refused, %u without names, %u named", refused, nameless,
	   named);
	is_int(refused + nameless + named, 256, "one or the other");
	ok(pa_mem_used() <= used, "no memory is left over");
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Whoever asks for many of these must not eat up the budget. */
static void test_nameless(void)
{
	struct pa_symbols *s = open_view();
	const size_t used = pa_mem_used();
	struct pa_symbol sym;
	unsigned named = 0;

	for (uint64_t addr = 1; addr < 100000; addr++)
		named += pa_symbols_name(s, addr, &sym);
	is_int(named, 0, "addresses below all code have no names");
	is_int(pa_mem_used(), used, "and take no memory");
	ok(pa_symbols_name(s, (uintptr_t)&local_function, &sym) && sym.known && sym.name,
	   "one that has a name gets it");
	pa_symbols_close(s);
}

int main(void)
{
	const int fds = count_fds();
	char cmd[100];
	int lines;

	if (!mkdtemp(dir))
		return 1;
	test_self();
	test_unknown();
	test_vdso();
	test_jit();
	lines = tap_run;
	test_replaced();
	test_replaced_unprivileged(tap_run - lines);
	test_split();
	test_unloaded();
	test_threads();
	test_fork();
	test_nameless();
	test_memory();
	test_kernel();
	is_int(count_fds(), fds, "no descriptor is left open");
	pa_object_cache_drop();
	is_int(pa_object_cache_bytes(), 0, "nothing stays pinned");
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return tap_done() | (system(cmd) != 0);
}
