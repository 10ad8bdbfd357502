/* SPDX-License-Identifier: Apache-2.0
 * Libraries that come and go under walks. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/unwind/snapshot.h"
#include "agent/unwind/unwind.h"
#include "test/tap.h"

typedef int (*lib_call)(int (*)(void *), void *);

static char path_a[PATH_MAX], path_b[PATH_MAX], path_big[PATH_MAX + 8];

struct result {
	uintptr_t stack_end;
	uint64_t frames[PA_STACK_DEPTH];
	int n;
	enum pa_walk_end end;
};

static uintptr_t own_stack_end(void)
{
	pthread_attr_t attr;
	void *low;
	size_t size;

	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstack(&attr, &low, &size);
	pthread_attr_destroy(&attr);
	return (uintptr_t)low + size;
}

static void walk_regs(const struct pa_regs *regs, struct result *r)
{
	uintptr_t lo = regs->r[PA_REG_SP] - PA_STACK_RED_ZONE;
	struct pa_stack_view v = {lo, r->stack_end, (const uint8_t *)lo};

	r->n = pa_unwind_walk(regs, &v, NULL, r->frames, PA_STACK_DEPTH, &r->end, NULL);
}

/* Called by a library: walks from here. */
static int walk_here(void *arg)
{
	struct pa_regs regs;
	ucontext_t uc;

	if (getcontext(&uc))
		return 1;
	pa_regs_from_ucontext(&regs, &uc);
	walk_regs(&regs, arg);
	return 0;
}

struct lib {
	void *handle;
	lib_call call;
	uintptr_t base;
	struct dl_find_object loader;
};

static bool lib_open(struct lib *l, const char *path)
{
	Dl_info info;

	l->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!l->handle)
		return false;
	*(void **)&l->call = dlsym(l->handle, "unwind_lib_call");
	if (!l->call || !dladdr((void *)l->call, &info) ||
	    _dl_find_object((void *)l->call, &l->loader))
		return false;
	l->base = (uintptr_t)info.dli_fbase;
	return true;
}

static bool passes(const struct result *r, const struct lib *l)
{
	for (int i = 0; i < r->n; i++)
		if (r->frames[i] >= (uintptr_t)l->call && r->frames[i] < (uintptr_t)l->call + 0x100)
			return true;
	return false;
}

static bool same_place(const struct lib *a, const struct lib *b)
{
	return a->base == b->base && a->loader.dlfo_link_map == b->loader.dlfo_link_map &&
	       a->loader.dlfo_eh_frame == b->loader.dlfo_eh_frame &&
	       a->loader.dlfo_map_end == b->loader.dlfo_map_end;
}

/* One library takes the place of another. The snapshot must not be believed before the update. */
static void test_reuse(void)
{
	struct result r = {.stack_end = own_stack_end()};
	struct lib a, b;
	bool opened = lib_open(&a, path_a);

	if (!ok(opened, "a library opens"))
		return;
	a.call(walk_here, &r);
	is_int(r.end, PA_WALK_NO_TABLE, "a walk in it has no table before the update");
	ok(!pa_unwind_ready((uintptr_t)a.call), "it is not ready");
	is_int(pa_unwind_update(), 0, "update");
	ok(pa_unwind_ready((uintptr_t)a.call), "it is ready");
	a.call(walk_here, &r);
	ok(r.end == PA_WALK_COMPLETE && passes(&r, &a), "a walk through it is complete");
	dlclose(a.handle);
	if (!ok(lib_open(&b, path_b), "another opens"))
		return;
	printf("# at %s place, layouts %s\n", a.base == b.base ? "the same" : "another",
	       same_place(&a, &b) ? "equal" : "different");
	b.call(walk_here, &r);
	is_int(r.end, PA_WALK_NO_TABLE, "a walk in it does not use the first one's table");
	ok(!pa_unwind_ready((uintptr_t)b.call), "it is not ready");
	is_int(pa_unwind_update(), 0, "update");
	b.call(walk_here, &r);
	ok(r.end == PA_WALK_COMPLETE && passes(&r, &b), "a walk through it is complete");
	dlclose(b.handle);
	is_int(pa_unwind_update(), 0, "update without it");
}

static _Atomic bool stop;
static _Atomic unsigned long walks, complete, not_ready, wrong, interrupts, rounds, updates;

static void on_timer(int sig, siginfo_t *info, void *uc)
{
	struct pa_regs regs;
	struct result r;

	(void)sig;
	r.stack_end = (uintptr_t)info->si_value.sival_ptr;
	pa_regs_from_ucontext(&regs, uc);
	walk_regs(&regs, &r);
	interrupts++;
}

static bool timer_for_this_thread(timer_t *ret)
{
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
	struct itimerspec every = {{0, 500000}, {0, 500000}};

	ev.sigev_value.sival_ptr = (void *)own_stack_end();
	ev._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	return !timer_create(CLOCK_MONOTONIC, &ev, ret) && !timer_settime(*ret, 0, &every, NULL);
}

/* Opens, walks through, closes; a signal interrupts it in the loader too. */
static void *storm(void *arg)
{
	struct result r = {.stack_end = own_stack_end()};
	timer_t timer;
	bool timed = timer_for_this_thread(&timer);

	for (unsigned i = 0; !stop; i++) {
		struct lib l;

		if (!lib_open(&l, (i ^ (uintptr_t)arg) & 1 ? path_a : path_b))
			break;
		for (int k = 0; k < 10; k++) {
			l.call(walk_here, &r);
			walks++;
			complete += r.end == PA_WALK_COMPLETE;
			not_ready += r.end == PA_WALK_NO_TABLE;
			wrong += r.end == PA_WALK_COMPLETE ? !passes(&r, &l)
							   : r.end != PA_WALK_NO_TABLE;
			if (k == 5)
				sched_yield();
		}
		dlclose(l.handle);
		rounds++;
	}
	if (timed)
		timer_delete(timer);
	return NULL;
}

static void *updater(void *arg)
{
	(void)arg;
	while (!stop)
		updates += !pa_unwind_update();
	return NULL;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_storm(void)
{
	struct sigaction sa = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
	double end = seconds() + 10;
	pthread_t t[3];
	size_t before;

	if (pa_unwind_update())
		return;
	before = pa_mem_used();
	sigaction(SIGPROF, &sa, NULL);
	pthread_create(&t[0], NULL, storm, (void *)0);
	pthread_create(&t[1], NULL, storm, (void *)1);
	pthread_create(&t[2], NULL, updater, NULL);
	while (seconds() < end &&
	       !(rounds > 300 && updates > 50 && complete > 200 && interrupts > 100))
		sched_yield();
	stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	printf("# %lu rounds, %lu updates, %lu walks: %lu complete, %lu without table; %lu "
	       "signals\n",
	       rounds, updates, walks, complete, not_ready, interrupts);
	ok(rounds > 300 && updates > 50 && complete > 200 && interrupts > 100,
	   "libraries opened and closed under walks and updates");
	/* A table can be wrong when the two have taken turns at one address at three certain moments
	 * while it was made, which no look at memory can notice. It has happened to one table in
	 * half a million here. */
	ok(wrong <= walks / 200, "every walk is complete or without table (%lu are not)", wrong);
	is_int(atomic_load(&pa_snapshot_readers), 0, "no walk is left over");
	is_int(pa_unwind_update(), 0, "update");
	is_int(pa_mem_used(), before, "no memory is left over");
}

/* The smallest budget that an update can do with has no room for a library's rows. */
static void test_budget(void)
{
	struct pa_unwind_stats before, st = {0};
	size_t used = pa_mem_used();
	const size_t filler_bytes = 2 << 20;
	void *filler = pa_pages_alloc(filler_bytes);
	int err = -ENOMEM;
	void *lib = NULL;

	pa_unwind_stats_get(&before);
	for (size_t room = 4096; err && room < (2 << 20); room += 4096) {
		lib = dlopen(path_big, RTLD_NOW | RTLD_LOCAL);
		pa_mem_limit_set(used + filler_bytes + room);
		err = pa_unwind_update();
		pa_mem_limit_set((size_t)64 << 20);
		if (err && lib)
			dlclose(lib);
	}
	if (!ok(lib && !err, "an update within a small budget"))
		return;
	pa_unwind_stats_get(&st);
	is_int(st.skipped_objects, before.skipped_objects + 1, "counts what it left out");
	ok(pa_unwind_ready((uintptr_t)dlsym(lib, "unwind_lib_call")),
	   "no walk waits for what will not come");
	is_int(pa_unwind_update(), 0, "update with as much memory in use");
	pa_unwind_stats_get(&st);
	is_int(st.skipped_objects, before.skipped_objects + 1, "does not try it again");
	pa_pages_free(filler, filler_bytes);
	is_int(pa_unwind_update(), 0, "update with less");
	pa_unwind_stats_get(&st);
	is_int(st.skipped_objects, before.skipped_objects, "does");
	dlclose(lib);
	is_int(pa_unwind_update(), 0, "update without it");
	is_int(pa_mem_used(), used, "no memory is left over");
}

static void test_fork(void)
{
	struct result r = {.stack_end = own_stack_end()};
	int status = -1;
	pid_t child;

	/* A walk in another thread at the moment of the fork. */
	pa_snapshot_enter();
	child = fork();
	if (!child) {
		bool good = true;

		pa_unwind_fork_child();
		good &= !atomic_load(&pa_snapshot_readers);
		walk_here(&r);
		good &= r.end == PA_WALK_COMPLETE;
		good &= !pa_unwind_update();
		walk_here(&r);
		good &= r.end == PA_WALK_COMPLETE;
		_exit(good ? 0 : 1);
	}
	pa_snapshot_leave();
	waitpid(child, &status, 0);
	is_int(status, 0, "a forked child walks with the parent's tables and updates them");
}

static void test_stats(void)
{
	struct pa_unwind_stats st;

	pa_unwind_stats_get(&st);
	printf("# %zu objects, %zu rows, %zu bytes, %lu without rows, %lu rows not expressible\n",
	       st.objects, st.rows, st.bytes, st.skipped_objects, st.inexpressible_rows);
	ok(st.objects >= 3, "there are at least the program, libc and ld.so");
	ok(st.rows > 10000 && st.bytes >= st.rows * 8, "with rows");
	is_int(st.skipped_objects, 0, "no object is without");
}

int main(void)
{
	ssize_t len = readlink("/proc/self/exe", path_a, sizeof(path_a) - 64);
	char *slash;

	if (len <= 0)
		return 1;
	path_a[len] = '\0';
	slash = strrchr(path_a, '/');
	strcpy(slash, "/../programs/unwind_lib_a");
	strcpy(path_b, path_a);
	path_b[strlen(path_b) - 1] = 'b';
	snprintf(path_big, sizeof(path_big), "%sig", path_b);

	is_int(pa_unwind_engine_set("neither"), -EINVAL, "an engine of that name is refused");
	pa_unwind_init(_dl_find_object);
	is_int(pa_unwind_update(), 0, "first update");
	test_stats();
	test_reuse();
	test_storm();
	test_budget();
	test_fork();
	return tap_done();
}
