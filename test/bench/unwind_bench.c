/* SPDX-License-Identifier: Apache-2.0
 * Nanoseconds a frame of walking the same stack again and again, from a signal handler: our
 * tables, libunwind step by step and with its cache of traces, glibc's backtrace. Then how long
 * the tables of each large library take to build. Link with libagent.a and -lunwind; build with
 * -fomit-frame-pointer.
 *
 *	unwind_bench [ROUNDS] [LIBRARY...]	medians of ROUNDS (7) interleaved rounds */
#include <dlfcn.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <ucontext.h>

#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "agent/unwind/unwind.h"
#include "test/bench/bench.h"

#define ROUNDS_MAX 99
#define MAX_FRAMES 256
#define WALKS      2000

enum method { TABLE, STEP, TRACE, GLIBC, METHODS };

static const char *const method_names[METHODS] = {"table", "unw_step", "unw_backtrace",
						  "glibc backtrace"};

static struct pa_stack_view stack;
static int (*libc_backtrace)(void **, int); /* libunwind has a function of that name too */
static double result[METHODS];
static int found; /* frames that the table walk finds */

static int walk_step(ucontext_t *uc)
{
	unw_cursor_t cursor;
	unw_word_t ip;
	int n = 0;

	unw_init_local2(&cursor, uc, UNW_INIT_SIGNAL_FRAME);
	do {
		unw_get_reg(&cursor, UNW_REG_IP, &ip);
		n++;
	} while (n < MAX_FRAMES && unw_step(&cursor) > 0);
	return n;
}

static int walk(enum method m, ucontext_t *uc)
{
	static uint64_t frames[MAX_FRAMES];
	static void *pointers[MAX_FRAMES];
	enum pa_walk_end end;
	struct pa_regs regs;

	switch (m) {
	case TABLE:
		pa_regs_from_ucontext(&regs, uc);
		return pa_unwind_walk(&regs, &stack, NULL, frames, MAX_FRAMES, &end, NULL);
	case STEP:
		return walk_step(uc);
	case TRACE:
		return unw_backtrace(pointers, MAX_FRAMES);
	default:
		return libc_backtrace(pointers, MAX_FRAMES);
	}
}

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	(void)info;
	for (int m = 0; m < METHODS; m++) {
		int walks = m == TABLE || m == TRACE ? WALKS : WALKS / 10;
		long frames = 0;
		uint64_t start;

		if (walk(m, uc) > 1 && m == TABLE)
			found = walk(m, uc);
		start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		for (int i = 0; i < walks; i++)
			frames += walk(m, uc);
		result[m] = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / (double)frames;
	}
}

/* Several functions with frames of different sizes, so that a stack is not one row repeated. */
static NOINLINE long deep_a(int depth, long x);
static NOINLINE long deep_b(int depth, long x);
static NOINLINE long deep_c(int depth, long x);

static NOINLINE long deep_a(int depth, long x)
{
	volatile char pad[40];

	pad[depth % 40] = (char)x;
	if (depth <= 0) {
		raise(SIGUSR1);
		return pad[0];
	}
	return (depth % 2 ? deep_b : deep_c)(depth - 1, x + pad[1]) + x;
}

static NOINLINE long deep_b(int depth, long x)
{
	volatile long y = x * 3, z = x ^ depth;

	return deep_a(depth - 1, y + z) * y + z + depth;
}

static NOINLINE long deep_c(int depth, long x)
{
	volatile char pad[200];

	pad[x & 127] = 1;
	return deep_a(depth - 1, x - 1) + pad[5] + x;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void bench_walks(int depth, int rounds)
{
	double ns[METHODS][ROUNDS_MAX];

	for (int r = 0; r < rounds; r++) {
		deep_a(depth, r);
		for (int m = 0; m < METHODS; m++)
			ns[m][r] = result[m];
	}
	for (int m = 0; m < METHODS; m++) {
		qsort(ns[m], (size_t)rounds, sizeof(double), by_value);
		printf("depth %3d  %-16s %7.1f ns a frame\n", found, method_names[m],
		       ns[m][rounds / 2]);
	}
}

static void bench_build(const char *library)
{
	struct pa_unwind_stats before, after;
	uint64_t start;
	double ms;

	pa_unwind_stats_get(&before);
	if (!dlopen(library, RTLD_LAZY | RTLD_LOCAL)) {
		printf("build  %s: not installed\n", library);
		return;
	}
	start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	if (pa_unwind_update())
		printf("build  %s: failed\n", library);
	ms = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / 1e6;
	pa_unwind_stats_get(&after);
	printf("build  %-22s %6.1f ms  %8zu rows  %6.2f MB  %llu not expressible\n", library, ms,
	       after.rows - before.rows, (double)(after.bytes - before.bytes) / 1e6,
	       (unsigned long long)(after.inexpressible_rows - before.inexpressible_rows));
}

static void find_stack(void);

static double ns_of(void (*work)(const void *), const void *arg, int count)
{
	uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	for (int i = 0; i < count; i++)
		work(arg);
	return (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / count;
}

static void update(const void *arg)
{
	(void)arg;
	if (pa_unwind_update())
		exit(1);
}

static void check(const void *pc)
{
	if (!pa_unwind_ready((uint64_t)pc))
		found = 0;
}

/* What is asked once a walk for each object: nothing of those loaded at the start, the loader and
 * the kernel about others. */
static void bench_objects(void)
{
	void *lib = dlopen("libz.so.1", RTLD_LAZY | RTLD_LOCAL);
	void *pc = lib ? dlsym(lib, "crc32") : NULL;

	printf("update, nothing changed    %8.0f ns\n", ns_of(update, NULL, 100));
	printf("object loaded at the start %8.0f ns\n", ns_of(check, (void *)find_stack, 10000));
	update(NULL);
	if (pc)
		printf("object opened later        %8.0f ns\n", ns_of(check, pc, 10000));
}

static void find_stack(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned long lo, hi;

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "[stack]") && sscanf(line, "%lx-%lx", &lo, &hi) == 2)
			stack = (struct pa_stack_view){.lo = hi - (8 << 20), .hi = hi};
	if (f)
		fclose(f);
	stack.bytes = (const uint8_t *)stack.lo;
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	int rounds = argc > 1 ? (int)number(argv[1], ROUNDS_MAX) : 7;
	static const int depths[] = {2, 32, 92};

	find_stack();
	libc_backtrace = (int (*)(void **, int))dlsym(dlopen("libc.so.6", RTLD_LAZY), "backtrace");
	pa_unwind_init(_dl_find_object);
	if (pa_unwind_update())
		return 1;
	sigaction(SIGUSR1, &sa, NULL);
	for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++)
		bench_walks(depths[i], rounds);
	bench_objects();
	for (int i = 2; i < argc; i++)
		bench_build(argv[i]);
	return 0;
}
