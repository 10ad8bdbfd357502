/* SPDX-License-Identifier: Apache-2.0
 * libunwind as the oracle: code of this program, of libc, of ld.so and of libcrypto runs one
 * instruction at a time, and at each the stack is walked both ways. That covers every
 * instruction of prologues, epilogues and PLT entries, which samples by time rarely hit. */
#include <dlfcn.h>
#include <math.h>
#include <regex.h>
#include <signal.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "agent/base/maps.h"
#include "agent/base/peek.h"
#include "agent/unwind/unwind.h"
#include "test/tap.h"

#define NOINLINE   __attribute__((noinline))
#define MAX_FRAMES 256
#define TRAP_FLAG  0x100

static uintptr_t stack_end;
static unsigned every; /* instructions between two samples */
static unsigned long limit, samples, equal, gave_up, incomplete, copies, copies_equal;
static volatile sig_atomic_t stepping, step_no;
static uint64_t shown;

static int walk_libunwind(ucontext_t *uc, uint64_t *frames)
{
	static const uint8_t rt_sigreturn[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
	struct dl_find_object found;
	unw_cursor_t cursor;
	unw_word_t ip = 0;
	bool exact = true;
	int n = 0;

	unw_init_local2(&cursor, uc, UNW_INIT_SIGNAL_FRAME);
	do {
		bool trampoline;

		unw_get_reg(&cursor, UNW_REG_IP, &ip);
		if (!ip && !exact)
			break;
		trampoline = !_dl_find_object((void *)ip, &found) &&
			     !memcmp((void *)ip, rt_sigreturn, sizeof(rt_sigreturn));
		if (!trampoline)
			frames[n++] = ip - !exact;
		exact = trampoline;
	} while (n < MAX_FRAMES && unw_step(&cursor) > 0);
	return n;
}

static void show(const char *who, const uint64_t *frames, int n)
{
	for (int i = 0; i < n && i < 6; i++) {
		Dl_info info = {0};

		dladdr((void *)frames[i], &info);
		printf("#   %s %2d %#lx %s+%#lx %s\n", who, i, frames[i],
		       info.dli_fname ? info.dli_fname : "?", frames[i] - (uint64_t)info.dli_fbase,
		       info.dli_sname ? info.dli_sname : "");
	}
}

/* The same walk in a copy of the stack that lies somewhere else. */
static void compare_copy(const struct pa_regs *regs, const uint64_t *frames, int n)
{
	static uint8_t copy[256 << 10];
	static uint64_t again[MAX_FRAMES];
	uintptr_t lo = regs->r[PA_REG_SP] - PA_STACK_RED_ZONE;
	struct pa_stack_view v = {lo, stack_end, copy + 1};
	enum pa_walk_end end;

	if (stack_end - lo > sizeof(copy) - 1 || pa_peek_all(lo, copy + 1, stack_end - lo))
		return;
	copies++;
	copies_equal += pa_unwind_walk_copy(regs, &v, again, MAX_FRAMES, &end, NULL) == n &&
			end == PA_WALK_COMPLETE && !memcmp(again, frames, (size_t)n * 8);
}

/* Whether libunwind's list is only the begin of ours, or goes on with what is no code. (There is
 * no code outside of objects here.) */
static bool lost_its_way(const uint64_t *ours, int n, const uint64_t *theirs, int m)
{
	struct dl_find_object found;
	int i = 0;

	while (i < n && i < m && ours[i] == theirs[i])
		i++;
	return i < n && (i == m || _dl_find_object((void *)theirs[i], &found));
}

static void sample(ucontext_t *uc)
{
	static uint64_t ours[MAX_FRAMES], theirs[MAX_FRAMES];
	struct pa_stack_view v;
	enum pa_walk_end end;
	struct pa_regs regs;
	int n, m;

	pa_regs_from_ucontext(&regs, uc);
	v.lo = regs.r[PA_REG_SP] - PA_STACK_RED_ZONE;
	v.hi = stack_end;
	v.bytes = (const uint8_t *)v.lo;
	n = pa_unwind_walk(&regs, &v, NULL, ours, MAX_FRAMES, &end, NULL);
	m = walk_libunwind(uc, theirs);
	samples++;
	incomplete += end != PA_WALK_COMPLETE;
	if (n == m && !memcmp(ours, theirs, (size_t)n * sizeof(ours[0])) &&
	    end == PA_WALK_COMPLETE) {
		equal++;
		if (samples % 16 == 0)
			compare_copy(&regs, ours, n);
	} else if (end == PA_WALK_COMPLETE && lost_its_way(ours, n, theirs, m)) {
		gave_up++;
	} else if (shown++ < 8) {
		printf("# ours %d (end %d), libunwind %d\n", n, end, m);
		show("ours", ours, n);
		show("theirs", theirs, m);
	}
}

/* SIGUSR1 starts stepping: the flag takes effect when the handler returns. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)info;
	if (sig == SIGTRAP && ++step_no % every == 0)
		sample(uc);
	if (samples >= limit)
		stepping = 0;
	if (stepping)
		uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
	else
		uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static void expect_equal(const char *name)
{
	/* libunwind gives up in the last instructions of functions that realign their stack
	 * (fp_was_popped in walk_sig.c) and in assembler of libc whose CFI is incomplete
	 * (search_leaf). */
	ok(samples >= 100 && (equal + gave_up) * 1000 >= samples * 999 && gave_up <= samples / 8,
	   "%s: %lu of %lu stacks equal libunwind's, %lu go on where it gave up", name, equal,
	   samples, gave_up);
	is_int(incomplete, 0, "  and reach the end");
	ok(copies == copies_equal, "  %lu of %lu are found in a copy too", copies_equal, copies);
}

static void prepare(unsigned step, unsigned long max)
{
	every = step;
	limit = max;
	samples = equal = gave_up = incomplete = copies = copies_equal = shown = 0;
	step_no = 0;
	stepping = 1;
}

/* Steps through all of work. */
static void run(const char *name, void (*work)(void), unsigned step, unsigned long max)
{
	prepare(step, max);
	raise(SIGUSR1);
	work();
	stepping = 0;
	raise(SIGUSR1);
	expect_equal(name);
}

/* Begins somewhere inside: what takes the time is an inner loop that only starts after many
 * thousand instructions. */
static void run_inside(const char *name, void (*work)(void), unsigned step, unsigned long max)
{
	struct itimerspec soon = {.it_value.tv_nsec = 200000};
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	timer_t timer;

	prepare(step, max);
	if (timer_create(CLOCK_MONOTONIC, &ev, &timer))
		return;
	timer_settime(timer, 0, &soon, NULL);
	for (int i = 0; i < 10000 && samples < limit; i++)
		work();
	timer_delete(timer);
	stepping = 0;
	raise(SIGUSR1);
	expect_equal(name);
}

static volatile long sink;

/* alloca forces a frame pointer. */
static NOINLINE long with_fp(int depth)
{
	volatile char *p = __builtin_alloca((size_t)(16 + depth * 8));
	long r;

	p[0] = (char)depth;
	r = depth ? with_fp(depth - 1) : 1;
	return r + p[0];
}

static NOINLINE unsigned long without_fp(int depth, unsigned long a, unsigned long b)
{
	unsigned long r = depth ? without_fp(depth - 1, b, a + (unsigned)depth) : 1;

	return r * 3 + a - b;
}

/* Over-aligned locals and alloca: the CFA is found through memory. */
static NOINLINE long realigned(int depth)
{
	__attribute__((aligned(64))) volatile char block[64];
	volatile char *p = __builtin_alloca((size_t)(16 + depth));

	block[depth & 63] = 1;
	p[0] = 2;
	return (depth ? realigned(depth - 1) : 0) + block[depth & 63] + p[0];
}

static void recursion(void)
{
	sink += with_fp(40) + (long)without_fp(60, 1, 2) % 7 + realigned(20);
}

static int by_value(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return x < y ? -1 : x > y;
}

static void callbacks(void)
{
	int items[64];

	for (int i = 0; i < 64; i++)
		items[i] = i * 7919 % 101;
	qsort(items, 64, sizeof(items[0]), by_value);
	sink += items[5];
}

static void libc_work(void)
{
	char text[512], *end;
	regex_t re;

	snprintf(text, sizeof(text), "%.17g %s %ld %a %30.10f", sqrt(2), "text", 12345l, 1.5,
		 1e100);
	sink += (long)strtod(text, &end);
	sink += strlen(text) + (strstr(text, "xt") != NULL) + strcspn(text, "q");
	if (!regcomp(&re, "(a|b)*c[0-9]+x", REG_EXTENDED)) {
		sink += regexec(&re, "ababc123x", 0, NULL, 0);
		regfree(&re);
	}
}

static void on_nested(int sig)
{
	sink += sig + (long)without_fp(5, 1, 2);
}

static void signals(void)
{
	for (int i = 0; i < 3; i++)
		raise(SIGUSR2);
}

/* First calls through the PLT go through the dynamic linker's trampoline. */
static void binding(void)
{
	void *m = dlopen("libz.so.1", RTLD_LAZY | RTLD_LOCAL);
	unsigned long (*crc32)(unsigned long, const void *, unsigned);
	int (*compress)(void *, unsigned long *, const void *, unsigned long);
	unsigned long len;
	char out[256];

	if (!m)
		return;
	*(void **)&crc32 = dlsym(m, "crc32");
	*(void **)&compress = dlsym(m, "compress");
	len = sizeof(out);
	sink += (long)crc32(0, "abcdefgh", 8) + compress(out, &len, "aaaaaaaaaaaaaaaaaaaaaa", 22);
}

static void *crypto;
static const char *digest_name;

static void digest(void)
{
	int (*evp_digest)(const void *, size_t, unsigned char *, unsigned *, const void *, void *);
	const void *(*by_name)(const char *);
	static unsigned char in[1 << 20];
	unsigned char out[64];
	unsigned len;

	*(void **)&evp_digest = dlsym(crypto, "EVP_Digest");
	*(void **)&by_name = dlsym(crypto, "EVP_get_digestbyname");
	if (evp_digest && by_name)
		sink += evp_digest(in, sizeof(in), out, &len, by_name(digest_name), NULL);
}

static const char *cipher_name;

static void cipher(void)
{
	void *(*ctx_new)(void);
	int (*init)(void *, const void *, void *, const unsigned char *, const unsigned char *);
	int (*update)(void *, unsigned char *, int *, const unsigned char *, int);
	const void *(*by_name)(const char *);
	static unsigned char in[1 << 18], out[sizeof(in) + 64], key[64], iv[16];
	void (*ctx_free)(void *);
	void *ctx;
	int len;

	*(void **)&ctx_free = dlsym(crypto, "EVP_CIPHER_CTX_free");
	*(void **)&ctx_new = dlsym(crypto, "EVP_CIPHER_CTX_new");
	*(void **)&init = dlsym(crypto, "EVP_EncryptInit_ex");
	*(void **)&update = dlsym(crypto, "EVP_EncryptUpdate");
	*(void **)&by_name = dlsym(crypto, "EVP_get_cipherbyname");
	ctx = ctx_new();
	sink += init(ctx, by_name(cipher_name), NULL, key, iv);
	sink += update(ctx, out, &len, in, sizeof(in));
	ctx_free(ctx);
}

static void big_numbers(void)
{
	int (*set)(void *, const char *), (*power)(void *, void *, void *, void *, void *);
	void *(*bn_new)(void), *(*ctx_new)(void);
	static void *bn[4], *ctx;

	*(void **)&bn_new = dlsym(crypto, "BN_new");
	*(void **)&ctx_new = dlsym(crypto, "BN_CTX_new");
	*(void **)&set = dlsym(crypto, "BN_hex2bn");
	*(void **)&power = dlsym(crypto, "BN_mod_exp");
	for (int i = 0; i < 4 && !ctx; i++) {
		char text[260];

		for (int k = 0; k < 256; k++)
			text[k] = "13579bdf"[(i * 5 + k * 3) % 8];
		text[256] = '\0';
		bn[i] = bn_new();
		sink += set((void *)&bn[i], text);
	}
	if (!ctx)
		ctx = ctx_new();
	sink += power(bn[0], bn[1], bn[2], bn[3], ctx);
}

static void test_crypto(void)
{
	static const char *const digests[] = {"sha1", "sha256", "sha512", "md5", "sha3-256"};
	static const char *const ciphers[] = {"aes-128-cbc", "aes-256-ctr", "aes-256-gcm",
					      "chacha20-poly1305", "camellia-128-cbc"};

	crypto = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
	if (!crypto) {
		printf("# no libcrypto here\n");
		return;
	}
	/* Once without stepping: the first use loads providers. */
	for (unsigned i = 0; i < 5; i++) {
		digest_name = digests[i];
		digest();
		cipher_name = ciphers[i];
		cipher();
	}
	big_numbers();
	is_int(pa_unwind_update(), 0, "libcrypto is compiled");
	for (unsigned i = 0; i < 5; i++) {
		digest_name = digests[i];
		run_inside(digest_name, digest, 3, 300);
	}
	for (unsigned i = 0; i < 5; i++) {
		cipher_name = ciphers[i];
		run_inside(cipher_name, cipher, 3, 300);
	}
	run_inside("big numbers", big_numbers, 3, 300);
}

static void find_stack(void)
{
	struct pa_arena arena = {0};
	struct pa_map *maps;
	size_t count;

	if (pa_maps_read(&arena, &maps, &count))
		exit(1);
	for (size_t i = 0; i < count; i++)
		if ((uintptr_t)&arena >= maps[i].start && (uintptr_t)&arena < maps[i].end)
			stack_end = maps[i].end;
	pa_arena_done(&arena);
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	bool libunwind;

	find_stack();
	pa_unwind_init(_dl_find_object);
	is_int(pa_unwind_update(), 0, "objects are compiled");
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGTRAP, &sa, NULL);
	signal(SIGUSR2, on_nested);

	run("recursion", recursion, 1, 2500);
	run("qsort callbacks", callbacks, 1, 1500);
	run("libc", libc_work, 3, 1500);
	run("signal handlers", signals, 1, 1000);
	if (dlopen("libz.so.1", RTLD_LAZY | RTLD_LOCAL)) {
		is_int(pa_unwind_update(), 0, "libz is compiled");
		run("lazy binding", binding, 5, 600);
	}
	test_crypto();
	libunwind = !pa_unwind_engine_set("libunwind");
	if (ok(libunwind, "libunwind is there to choose")) {
		run("recursion, copies walked by libunwind", recursion, 5, 200);
		run("libc, copies walked by libunwind", libc_work, 17, 200);
		run("signal handlers, copies walked by libunwind", signals, 1, 200);
	}
	return tap_done();
}
