/* SPDX-License-Identifier: Apache-2.0
 * A library to preload into any program: walks the stacks of its CPU samples with our tables and
 * with libunwind, and counts where they differ. Not part of the product: it takes locks, allocates
 * and may slow the program down. Linked with libagent.a.
 *
 *	UNWIND_ORACLE=FILE	results go to FILE.PID, as one line "name value" each
 *	UNWIND_ORACLE_HZ=250 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "agent/base/maps.h"
#include "agent/unwind/unwind.h"

#define MAX_FRAMES 256
#define KEPT       64 /* samples that differ, for the report */
#define ENDS       5

static const char *const end_names[ENDS] = {"complete", "truncated", "no_table", "no_stack",
					    "broken"};

static struct {
	int (*init)(unw_cursor_t *, unw_context_t *, int);
	int (*step)(unw_cursor_t *);
	int (*get_reg)(unw_cursor_t *, int, unw_word_t *);
} lib;

struct kept {
	int ours, theirs, common;
	enum pa_walk_end end;
	uint64_t a[MAX_FRAMES], b[MAX_FRAMES];
};

static _Atomic unsigned long samples, unknown_stack, busy, equal, differ, shorter, longer;
static _Atomic unsigned long ends[ENDS], frames_equal, our_ns, their_ns, our_frames, their_frames;
static struct kept kept[KEPT];
static _Atomic unsigned kept_count;

/* Mappings with a stack in them, replaced by the updater. Old ones are never freed. */
struct region {
	uint64_t start, end;
};
struct regions {
	size_t count;
	struct region r[];
};
static _Atomic(struct regions *) regions;
static char *file;
static _Atomic int in_handler;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool find_stack(uint64_t sp, struct pa_stack_view *ret)
{
	const struct regions *all = atomic_load(&regions);

	for (size_t i = 0; all && i < all->count; i++) {
		/* The main stack grows down after it was listed. */
		if (sp < all->r[i].end && sp + (64 << 10) >= all->r[i].start) {
			ret->lo = sp - PA_STACK_RED_ZONE;
			ret->hi = all->r[i].end;
			ret->bytes = (const uint8_t *)ret->lo;
			return true;
		}
	}
	return false;
}

static bool is_code(uint64_t ip)
{
	struct dl_find_object found;

	return !_dl_find_object((void *)ip, &found);
}

/* __restore_rt: mov $15,%rax; syscall. (unw_is_signal_frame answers for the next frame.) */
static bool is_trampoline(uint64_t ip)
{
	static const uint8_t code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};

	return !memcmp((const void *)ip, code, sizeof(code));
}

static int walk_libunwind(void *uc, uint64_t *frames)
{
	unw_cursor_t cursor;
	bool exact = true;
	unw_word_t ip;
	int n = 0;

	lib.init(&cursor, uc, UNW_INIT_SIGNAL_FRAME);
	do {
		bool trampoline;

		lib.get_reg(&cursor, UNW_REG_IP, &ip);
		if (!ip && !exact)
			break;
		trampoline = is_code(ip) && is_trampoline(ip);
		if (!trampoline)
			frames[n++] = ip - !exact;
		exact = trampoline;
	} while (n < MAX_FRAMES && lib.step(&cursor) > 0);
	return n;
}

static void keep(const uint64_t *a, int na, const uint64_t *b, int nb, int common,
		 enum pa_walk_end end)
{
	unsigned i = atomic_fetch_add(&kept_count, 1);

	if (i >= KEPT)
		return;
	kept[i] = (struct kept){.ours = na, .theirs = nb, .common = common, .end = end};
	memcpy(kept[i].a, a, (size_t)na * sizeof(*a));
	memcpy(kept[i].b, b, (size_t)nb * sizeof(*b));
}

static void compare(const uint64_t *a, int na, const uint64_t *b, int nb, enum pa_walk_end end)
{
	int common = 0;

	while (common < na && common < nb && a[common] == b[common])
		common++;
	ends[end]++;
	if (end == PA_WALK_NO_TABLE)
		return; /* will be walked later: nothing to compare yet */
	if (common == na && common == nb) {
		equal++;
		frames_equal += (unsigned long)na;
		return;
	}
	if (common == na)
		shorter++;
	else if (common == nb)
		longer++;
	else
		differ++;
	keep(a, na, b, nb, common, end);
}

static void sample(void *uc)
{
	static uint64_t a[MAX_FRAMES], b[MAX_FRAMES];
	unsigned long turn = samples++;
	struct pa_stack_view stack;
	enum pa_walk_end end;
	struct pa_regs regs;
	uint64_t t0, t1, t2;
	int na = 0, nb = 0;

	pa_regs_from_ucontext(&regs, uc);
	if (!find_stack(regs.r[PA_REG_SP], &stack)) {
		unknown_stack++;
		return;
	}
	/* Whoever walks first pays for the stack's cache misses. */
	t0 = now_ns();
	if (turn & 1)
		nb = walk_libunwind(uc, b);
	else
		na = pa_unwind_walk(&regs, &stack, NULL, a, MAX_FRAMES, &end, NULL);
	t1 = now_ns();
	if (turn & 1)
		na = pa_unwind_walk(&regs, &stack, NULL, a, MAX_FRAMES, &end, NULL);
	else
		nb = walk_libunwind(uc, b);
	t2 = now_ns();
	our_ns += turn & 1 ? t2 - t1 : t1 - t0;
	their_ns += turn & 1 ? t1 - t0 : t2 - t1;
	our_frames += (unsigned long)na;
	their_frames += (unsigned long)nb;
	compare(a, na, b, nb, end);
}

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	int saved = errno, free_again = 0;

	(void)sig;
	(void)info;
	if (atomic_compare_exchange_strong(&in_handler, &free_again, 1)) {
		sample(uc);
		atomic_store(&in_handler, 0);
	} else {
		busy++;
	}
	errno = saved;
}

static void list_regions(void)
{
	struct pa_arena arena = {0};
	struct regions *all;
	struct pa_map *maps;
	size_t count;

	if (pa_maps_read(&arena, &maps, &count))
		return;
	all = calloc(1, sizeof(*all) + count * sizeof(all->r[0]));
	for (size_t i = 0; all && i < count; i++)
		if (maps[i].write && !maps[i].inode)
			all->r[all->count++] = (struct region){maps[i].start, maps[i].end};
	pa_arena_done(&arena);
	if (all)
		atomic_store(&regions, all);
}

static void print_address(FILE *f, uint64_t addr)
{
	Dl_info info = {0};

	if (dladdr((void *)addr, &info) && info.dli_fname)
		fprintf(f, "#   %#lx %s+%#lx %s\n", addr, info.dli_fname,
			addr - (uint64_t)info.dli_fbase, info.dli_sname ? info.dli_sname : "");
	else
		fprintf(f, "#   %#lx\n", addr);
}

static void print_kept(FILE *f, const struct kept *k)
{
	int from = k->common > 2 ? k->common - 2 : 0;

	fprintf(f, "# ours %d (%s), libunwind %d, equal %d\n", k->ours, end_names[k->end],
		k->theirs, k->common);
	fprintf(f, "#  ours from %d:\n", from);
	for (int i = from; i < k->ours && i < k->common + 4; i++)
		print_address(f, k->a[i]);
	fprintf(f, "#  libunwind from %d:\n", from);
	for (int i = from; i < k->theirs && i < k->common + 4; i++)
		print_address(f, k->b[i]);
}

static void report(void)
{
	struct pa_unwind_stats st;
	char name[512];
	FILE *f;

	if (!samples)
		return;
	snprintf(name, sizeof(name), "%s.%d", file, (int)getpid());
	f = fopen(name, "w");
	if (!f)
		return;
	pa_unwind_stats_get(&st);
	fprintf(f, "program %s\n", program_invocation_short_name);
	fprintf(f, "samples %lu\nequal %lu\ndiffer %lu\nshorter %lu\nlonger %lu\n", samples, equal,
		differ, shorter, longer);
	for (int i = 0; i < ENDS; i++)
		fprintf(f, "%s %lu\n", end_names[i], ends[i]);
	fprintf(f, "unknown_stack %lu\nbusy %lu\n", unknown_stack, busy);
	fprintf(f, "frames_equal %lu\n", frames_equal);
	fprintf(f, "our_ns_frame %.0f\ntheir_ns_frame %.0f\n",
		our_frames ? (double)our_ns / (double)our_frames : 0.0,
		their_frames ? (double)their_ns / (double)their_frames : 0.0);
	fprintf(f, "objects %zu\nrows %zu\ntable_bytes %zu\nskipped_objects %llu\n", st.objects,
		st.rows, st.bytes, (unsigned long long)st.skipped_objects);
	fprintf(f, "inexpressible_rows %llu\n", (unsigned long long)st.inexpressible_rows);
	for (unsigned i = 0; i < kept_count && i < KEPT; i++)
		print_kept(f, &kept[i]);
	fclose(f);
}

static void *updater(void *arg)
{
	(void)arg;
	for (unsigned i = 0;; i++) {
		struct timespec pause = {.tv_nsec = 20000000};

		list_regions();
		if (pa_unwind_update())
			fprintf(stderr, "unwind_oracle: update failed\n");
		if (i % 25 == 24)
			report();
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static bool open_libunwind(void)
{
	void *h = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);

	if (!h)
		return false;
	*(void **)&lib.init = dlsym(h, "_ULx86_64_init_local2");
	*(void **)&lib.step = dlsym(h, "_ULx86_64_step");
	*(void **)&lib.get_reg = dlsym(h, "_ULx86_64_get_reg");
	return lib.init && lib.step && lib.get_reg;
}

__attribute__((constructor)) static void start(void)
{
	struct sigaction sa = {.sa_sigaction = on_signal,
			       .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
	const char *hz = getenv("UNWIND_ORACLE_HZ");
	long us = 1000000 / (hz ? atol(hz) : 250);
	struct itimerval timer = {{0, us}, {0, us}};
	sigset_t all, before;
	pthread_t thread;

	file = getenv("UNWIND_ORACLE");
	if (!file || !open_libunwind())
		return;
	file = strdup(file);
	pa_unwind_init(_dl_find_object);
	sigfillset(&all);
	sigfillset(&sa.sa_mask);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (!pthread_create(&thread, NULL, updater, NULL))
		pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	sigaction(SIGPROF, &sa, NULL);
	setitimer(ITIMER_PROF, &timer, NULL);
}

__attribute__((destructor)) static void stop(void)
{
	struct itimerval off = {0};

	if (!file)
		return;
	setitimer(ITIMER_PROF, &off, NULL);
	report();
}
