/* SPDX-License-Identifier: Apache-2.0
 * Names of plugins that are gone, or that lie where another one was, from the journal that the
 * unwinder writes. */
#include "test/tap.h"

#include <link.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/modules.h"
#include "agent/symbols/kept.h"
#include "agent/symbols/object.h"
#include "agent/unwind/snapshot.h"
#include "agent/unwind/unwind.h"
#include "test/unit/symbols_probe.h"

static char first_so[128], second_so[128];

struct plugin {
	void *handle;
	uintptr_t base, global;
};

static struct plugin plugin_open(const char *path, const char *function)
{
	struct plugin p = {.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)};
	struct link_map *l;

	if (!p.handle || dlinfo(p.handle, RTLD_DI_LINKMAP, &l)) {
		ok(0, "%s opens", path);
		exit(1);
	}
	p.base = l->l_addr;
	p.global = (uintptr_t)dlsym(p.handle, function);
	return p;
}

static void update(void)
{
	if (pa_unwind_update())
		ok(0, "an update");
}

/* As for a frame of a walk that was made now. */
static uint64_t canonical(uint64_t addr)
{
	pa_modules_frames(&addr, 1, pa_snapshot_generation(atomic_load(&pa_snapshot)));
	return addr;
}

/* "name in file", of a view opened for it. */
static const char *named(uint64_t frame)
{
	static char text[300];
	struct pa_symbols *s = open_view();
	const struct pa_mapping *m;
	struct pa_symbol sym;
	size_t count;

	pa_symbols_resolve(s, frame, &sym);
	m = pa_symbols_mappings(s, &count);
	snprintf(text, sizeof(text), "%s in %s", sym.known ? sym.name : "?",
		 sym.mapping < count ? strrchr(m[sym.mapping].file, '/') + 1 : "nothing");
	if (sym.mapping < count &&
	    (frame < m[sym.mapping].start || frame >= m[sym.mapping].limit ||
	     strlen(m[sym.mapping].build_id) != 40 || pa_symbols_mapping(s, frame) != sym.mapping))
		snprintf(text, sizeof(text), "%s at a wrong place", sym.name);
	pa_symbols_close(s);
	return text;
}

static void test_one_after_the_other(void)
{
	struct plugin a, b;
	uint64_t of_a, of_b;
	size_t before, after;
	struct pa_symbols *s;

	/* Memory of the agent's may come to lie there at first. */
	for (int i = 0; i < 20; i++) {
		a = plugin_open(first_so, "probe_global");
		update();
		of_a = canonical(a.global);
		if (!i)
			is_str(named(of_a), "probe_global in first.so", "a plugin that is there");
		dlclose(a.handle);
		b = plugin_open(second_so, "second_global");
		if (b.base == a.base)
			break;
		dlclose(b.handle);
	}
	if (!ok(b.base == a.base, "another comes to lie in its place"))
		return;
	is_str(named(of_a), "probe_global in first.so",
	       "the first one's name, when nobody has seen the second");
	update();
	of_b = canonical(b.global);
	ok(of_a != of_b, "their frames differ");
	is_str(named(of_a), "probe_global in first.so", "the first one's name");
	is_str(named(of_b), "second_global in second.so", "the second one's, which is there");
	s = open_view();
	pa_symbols_mappings(s, &before);
	pa_symbols_mapping(s, of_b);
	pa_symbols_mapping(s, of_a);
	pa_symbols_mapping(s, of_a);
	pa_symbols_mappings(s, &after);
	is_int(after, before + 1, "what is gone gets a mapping once it is asked for");
	is_int(pa_symbols_mapping(s, PA_ALIAS_BASE + 0x123456789), PA_NO_MAPPING, "no alias");
	pa_symbols_close(s);
	dlclose(b.handle);
	update();
	is_str(named(of_b), "second_global in second.so", "when it is gone too");
	a = plugin_open(first_so, "probe_global");
	update();
	ok(a.base != b.base || canonical(a.global) == of_a,
	   "the first is itself when it comes back");
	is_str(named(of_b), "second_global in second.so", "the second is remembered");
	dlclose(a.handle);
}

/* The file is another one by the time that somebody asks. */
static void test_replaced(void)
{
	char path[128], other[128], cmd[600];
	struct plugin a;
	uint64_t of_a;

	snprintf(path, sizeof(path), "%s/live.so", dir);
	snprintf(other, sizeof(other), "%s/next.so", dir);
	snprintf(cmd, sizeof(cmd), "cp %s %s; cp %s %s", first_so, path, second_so, other);
	if (system(cmd))
		return;
	a = plugin_open(path, "probe_global");
	update();
	of_a = canonical(a.global);
	is_int(rename(other, path), 0, "another file takes its name");
	is_str(named(of_a), "probe_global in live.so", "a plugin that is still there");
	dlclose(a.handle);
	is_str(named(of_a), "probe_global in live.so", "and one that is gone");
	unlink(path);
	is_str(named(of_a), "probe_global in live.so", "also when there is no file at all");
}

#define COPIES 32

static void test_copies(void)
{
	struct plugin p[COPIES];
	uint64_t frames[COPIES];
	char path[160], cmd[600];
	size_t kept = pa_kept_bytes(), one, right = 0, used;

	for (int i = 0; i < COPIES; i++) {
		snprintf(path, sizeof(path), "%s/copy%d.so", dir, i);
		snprintf(cmd, sizeof(cmd), "cp %s %s", second_so, path);
		if (system(cmd))
			return;
		p[i] = plugin_open(path, "second_global");
		if (i == 0) {
			update();
			one = pa_kept_bytes();
		}
	}
	update();
	is_int(pa_kept_bytes(), one, "what is kept of 32 copies takes no more than of one");
	ok(one >= kept && one - kept < (100 << 10), "(%zu bytes)", one - kept);
	used = pa_mem_used();
	for (int i = 0; i < COPIES; i++) {
		frames[i] = canonical(p[i].global);
		snprintf(path, sizeof(path), "second_global in copy%d.so", i);
		right += !strcmp(named(frames[i]), path);
	}
	is_int(right, COPIES, "each of 32 copies is itself");
	for (int i = 0; i < COPIES; i++)
		dlclose(p[i].handle);
	update();
	for (int i = 0; i < COPIES; i++) {
		snprintf(path, sizeof(path), "second_global in copy%d.so", i);
		right += !strcmp(named(frames[i]), path);
		snprintf(path, sizeof(path), "%s/copy%d.so", dir, i);
		unlink(path);
	}
	is_int(right, 2 * COPIES, "also when they are gone");
	for (int i = 0; i < COPIES; i++) {
		snprintf(path, sizeof(path), "second_global in copy%d.so", i);
		right += !strcmp(named(frames[i]), path);
	}
	is_int(right, 3 * COPIES, "and their files");
	pa_object_cache_drop();
	ok(pa_mem_used() <= used + (1 << 20), "memory is bounded");
}

static void test_rounds(void)
{
	struct pa_modules_stats before, after;
	struct plugin p;
	size_t used = 0, kept = 0;

	for (int i = 0; i < 600; i++) {
		p = plugin_open(first_so, "probe_global");
		update();
		dlclose(p.handle);
		update();
		if (i != 100)
			continue;
		used = pa_mem_used();
		kept = pa_kept_bytes();
		pa_modules_stats_get(&before);
	}
	pa_modules_stats_get(&after);
	is_int(after.count, before.count, "a plugin that comes and goes stays one");
	is_int(after.bytes, before.bytes, "of one size");
	is_int(pa_kept_bytes(), kept, "and what is kept of it");
	ok(pa_mem_used() <= used, "nothing grows (%zu, %zu)", used, pa_mem_used());
}

/* As a daemon that has locked itself up before it forked. */
static void test_no_proc(void)
{
	char empty[128];
	int status = -1;
	pid_t child;

	if (geteuid() != 0) {
		printf("# chroot(2) takes root\n");
		return;
	}
	snprintf(empty, sizeof(empty), "%s/empty", dir);
	if (mkdir(empty, 0755))
		return;
	child = fork();
	if (!child) {
		struct pa_symbols *s;
		struct pa_symbol sym;
		bool good = !chroot(empty) && !chdir("/");

		pa_unwind_fork_child();
		pa_symbols_fork_child();
		good = good && !pa_unwind_update() && !pa_symbols_open(&s);
		if (good) {
			/* Its file is out of reach: an exported name, as memory has it. */
			pa_symbols_resolve(s, (uintptr_t)dlsym(RTLD_DEFAULT, "puts"), &sym);
			good = sym.known && !strcmp(sym.name, "puts");
			pa_symbols_close(s);
		}
		_exit(!good);
	}
	waitpid(child, &status, 0);
	is_int(status, 0, "without /proc there are names too");
}

static void test_fork(void)
{
	struct plugin a = plugin_open(first_so, "probe_global");
	uint64_t of_a;
	int status = -1;
	pid_t child;

	update();
	of_a = canonical(a.global);
	dlclose(a.handle);
	update();
	child = fork();
	if (!child) {
		pa_unwind_fork_child();
		pa_symbols_fork_child();
		_exit(strcmp(named(of_a), "probe_global in first.so") != 0);
	}
	waitpid(child, &status, 0);
	is_int(status, 0, "a child knows what its parent knew");
}

int main(void)
{
	char cmd[100];

	if (!mkdtemp(dir))
		return 1;
	pa_unwind_init(_dl_find_object);
	pa_modules_set_keeper(&pa_kept_keeper);
	if (!build("first.so", "-shared -fPIC -Wl,-soname,p.so", first_so, sizeof(first_so)) ||
	    !build("second.so", "-shared -fPIC -Wl,-soname,p.so -DSECOND", second_so,
		   sizeof(second_so))) {
		ok(0, "plugins");
		return tap_done();
	}
	update();
	test_one_after_the_other();
	test_replaced();
	test_copies();
	test_rounds();
	test_fork();
	test_no_proc();
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return tap_done() | (system(cmd) != 0);
}
