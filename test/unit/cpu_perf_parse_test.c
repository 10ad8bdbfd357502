/* SPDX-License-Identifier: Apache-2.0
 * Records of perf_event_open(2) as the kernel writes them, cut and scribbled over. */
#include <errno.h>
#include <linux/perf_event.h>

#include "collectors/cpu_perf.h"
#include "test/tap.h"

struct builder {
	uint64_t words[9000];
	size_t count;
};

static void put(struct builder *b, uint64_t v)
{
	b->words[b->count++] = v;
}

/* ip, pid and tid, chain, registers 100 + bit, stack of `stack` bytes of which `valid` are. */
static void build(struct builder *b, const uint64_t *chain, int chain_count, uint64_t abi,
		  uint64_t stack, uint64_t valid)
{
	b->count = 0;
	put(b, 0x1234);
	put(b, 77ull << 32 | 76);
	if (chain) {
		put(b, (uint64_t)chain_count);
		for (int i = 0; i < chain_count; i++)
			put(b, chain[i]);
	}
	put(b, abi);
	for (uint64_t i = 0; abi && i < PA_PERF_REGS_COUNT; i++)
		put(b, 100 + i);
	put(b, stack);
	for (uint64_t i = 0; i < stack / 8; i++)
		put(b, i);
	if (stack)
		put(b, valid);
}

/* A copy that ends where the record ends, so that a sanitizer sees a read beyond. */
static int parse(const struct builder *b, size_t len, bool chain, struct pa_perf_sample *s)
{
	void *copy = malloc(len ? len : 1);
	int err;

	memcpy(copy, b->words, len);
	err = pa_perf_sample_parse(copy, len, chain, s);
	free(copy);
	return err;
}

static void test_whole(void)
{
	const uint64_t chain[] = {PERF_CONTEXT_KERNEL, 0xffffffff81000010, 0xffffffff81000020,
				  PERF_CONTEXT_USER};
	struct pa_perf_sample s;
	struct builder b;
	uint64_t word;

	build(&b, NULL, 0, PERF_SAMPLE_REGS_ABI_64, 64, 48);
	is_int(pa_perf_sample_parse(b.words, b.count * 8, false, &s), 0, "a sample without chain");
	is_int(s.tid, 77, "its thread");
	ok(s.has_user, "it has registers");
	/* The kernel's bits: ax 0, bx 1, cx 2, dx 3, si 4, di 5, bp 6, sp 7, ip 8, r8 to r15 16
	 * to 23, packed. */
	is_int(s.regs.r[0], 100, "rax");
	is_int(s.regs.r[3], 101, "rbx");
	is_int(s.regs.r[2], 102, "rcx");
	is_int(s.regs.r[1], 103, "rdx");
	is_int(s.regs.r[PA_REG_FP], 106, "rbp");
	is_int(s.regs.r[PA_REG_SP], 107, "rsp");
	is_int(s.regs.r[PA_REG_PC], 108, "rip");
	is_int(s.regs.r[8], 109, "r8");
	is_int(s.regs.r[15], 116, "r15");
	is_int(s.stack.lo, 107, "the stack begins at rsp");
	is_int(s.stack.hi, 107 + 48, "and is as long as the kernel says is valid");
	memcpy(&word, s.stack.bytes + 40, 8);
	is_int(word, 5, "its bytes");
	is_int(s.kernel_count, 0, "no kernel frames");

	build(&b, chain, 4, PERF_SAMPLE_REGS_ABI_64, 0, 0);
	is_int(parse(&b, b.count * 8, true, &s), 0, "a sample with chain, without stack");
	is_int(s.kernel_count, 2, "kernel frames without the marks");
	ok(s.kernel[0] == chain[1] && s.kernel[1] == chain[2], "leaf first");
	ok(!s.stack.bytes, "no stack");

	build(&b, chain, 4, PERF_SAMPLE_REGS_ABI_NONE, 0, 0);
	is_int(parse(&b, b.count * 8, true, &s), 0, "a sample of a thread on its way out");
	ok(!s.has_user, "has no registers");
}

static void test_limits(void)
{
	static uint64_t chain[200];
	struct pa_perf_sample s;
	struct builder b;

	for (size_t i = 0; i < 200; i++)
		chain[i] = 0xffffffff81000000 + i;
	build(&b, chain, 200, PERF_SAMPLE_REGS_ABI_NONE, 0, 0);
	is_int(parse(&b, b.count * 8, true, &s), 0, "a chain longer than there is room");
	is_int(s.kernel_count, PA_ARRAY_LEN(s.kernel), "is cut");
	is_int(s.kernel[63], (long long)0xffffffff81000000 + 63, "at its root");

	build(&b, NULL, 0, PERF_SAMPLE_REGS_ABI_64, PA_PERF_STACK, PA_PERF_STACK);
	is_int(parse(&b, b.count * 8, false, &s), 0, "a whole stack");
	is_int(s.stack.hi - s.stack.lo, PA_PERF_STACK, "all of it");

	build(&b, NULL, 0, PERF_SAMPLE_REGS_ABI_64, 64, 65);
	ok(parse(&b, b.count * 8, false, &s) || !s.stack.bytes, "more valid bytes than bytes");

	build(&b, NULL, 0, PERF_SAMPLE_REGS_ABI_64, 64, 64);
	b.words[3 + 7] = UINT64_MAX - 10; /* rsp */
	ok(parse(&b, b.count * 8, false, &s) || s.stack.lo <= s.stack.hi,
	   "a stack that would wrap round");

	build(&b, NULL, 0, PERF_SAMPLE_REGS_ABI_64, 64, 64);
	b.words[3 + PA_PERF_REGS_COUNT] = UINT64_MAX;
	is_int(parse(&b, b.count * 8, false, &s), -EINVAL, "a stack longer than the record");

	build(&b, chain, 2, PERF_SAMPLE_REGS_ABI_NONE, 0, 0);
	b.words[2] = UINT64_MAX;
	is_int(parse(&b, b.count * 8, true, &s), -EINVAL, "a chain longer than the record");
}

/* Every length, and every word replaced by extremes: it ends, and what it says lies inside. */
static void test_nonsense(void)
{
	const uint64_t chain[] = {PERF_CONTEXT_KERNEL, 1, 2},
		       bad[] = {0, 1, UINT64_MAX, 1ull << 63, 9};
	int accepted = 0, outside = 0;
	struct pa_perf_sample s;
	struct builder b, c;
	size_t whole;

	build(&b, chain, 3, PERF_SAMPLE_REGS_ABI_64, 64, 64);
	whole = b.count * 8;
	for (size_t len = 0; len < whole; len++)
		accepted += parse(&b, len, true, &s) == 0;
	is_int(accepted, 0, "no part of a record is taken for one");
	for (size_t i = 0; i < b.count; i++) {
		for (size_t j = 0; j < PA_ARRAY_LEN(bad); j++) {
			c = b;
			c.words[i] = bad[j];
			if (pa_perf_sample_parse(c.words, whole, true, &s))
				continue;
			outside += s.kernel_count < 0 || s.kernel_count > 64;
			if (s.stack.bytes)
				outside += s.stack.bytes < (uint8_t *)c.words ||
					   s.stack.bytes + (s.stack.hi - s.stack.lo) >
						   (uint8_t *)c.words + whole;
		}
	}
	is_int(outside, 0, "nothing outside a record is used");
}

int main(void)
{
	test_whole();
	test_limits();
	test_nonsense();
	return tap_done();
}
