/* SPDX-License-Identifier: Apache-2.0
 * How samples become stacks of a profile. */
#include <ucontext.h>

#include "agent/base/peek.h"
#include "agent/core/self.h"
#include "collectors/cpu.h"
#include "test/tap.h"

#define PERIOD 10000000

static struct pa_cpu_build build_new(void)
{
	struct pa_cpu_build b = {pa_profile_new("profile"), PERIOD, 100, 0, 0};

	b.profile->types[0] = (struct pa_value_type){"samples", "count"};
	b.profile->types[1] = (struct pa_value_type){"cpu", "nanoseconds"};
	b.profile->type_count = 2;
	return b;
}

static void test_stacks(void)
{
	const uint64_t frames[] = {0x1000, 0x2000, 0x3000}, other[] = {0x1000, 0x2000};
	struct pa_cpu_build b = build_new();
	struct pa_sample s;

	pa_cpu_add(&b, frames, 3, 1, PA_WALK_COMPLETE, 1);
	pa_cpu_add(&b, frames, 3, 1, PA_WALK_COMPLETE, 4);
	pa_cpu_add(&b, other, 2, 1, PA_WALK_NO_STACK, 2);
	is_int(pa_profile_count(b.profile), 2, "equal stacks are one sample");
	s = pa_profile_sample(b.profile, 0);
	is_int(s.values[0], 5, "with the weights added");
	is_int(s.values[1], 5ll * PERIOD, "and as CPU time");
	s = pa_profile_sample(b.profile, 1);
	is_int(s.frame_count, 2, "a stack that ends early is kept as it is");
	is_int(pa_self_get(PA_SELF_cpu_samples), 7, "samples are counted");
	is_int(pa_self_get(PA_SELF_cpu_stacks_broken), 2, "those that end early too");
	is_int(pa_self_get(PA_SELF_cpu_stacks_truncated), 0, "none was cut");
	pa_profile_free(b.profile);
}

static void test_truncated(void)
{
	struct pa_cpu_build b = build_new();
	uint64_t frames[PA_STACK_DEPTH];
	struct pa_sample s;

	for (uint64_t i = 0; i < PA_STACK_DEPTH; i++)
		frames[i] = 0x1000 + i;
	pa_cpu_add(&b, frames, PA_STACK_DEPTH, 1, PA_WALK_TRUNCATED, 3);
	s = pa_profile_sample(b.profile, 0);
	is_int(s.frame_count, PA_STACK_DEPTH + 1, "a cut stack keeps all its frames");
	is_int(s.frames[PA_STACK_DEPTH], PA_PSEUDO_FRAME(PA_PSEUDO_TRUNCATED),
	       "under a root that says so");
	is_int(s.frames[0], 0x1000, "its leaf");
	is_int(pa_self_get(PA_SELF_cpu_stacks_truncated), 3, "and is counted");
	pa_profile_free(b.profile);
}

static void test_pseudo(void)
{
	struct pa_cpu_build b = build_new();
	struct pa_sample s;

	pa_cpu_add_pseudo(&b, PA_PSEUDO_LOST, 0, 0);
	is_int(pa_profile_count(b.profile), 0, "nothing lost, nothing shown");
	pa_cpu_add_pseudo(&b, PA_PSEUDO_LOST, 0, 6);
	pa_cpu_add_pseudo(&b, PA_PSEUDO_SIGNALS_BLOCKED, 0x4000, 2);
	s = pa_profile_sample(b.profile, 0);
	is_int(s.frame_count, 1, "a pseudo frame alone");
	is_int(s.frames[0], PA_PSEUDO_FRAME(PA_PSEUDO_LOST), "is the frame");
	is_int(s.values[1], 6ll * PERIOD, "with its CPU time");
	s = pa_profile_sample(b.profile, 1);
	is_int(s.frame_count, 2, "under a start routine");
	is_int(s.frames[1], 0x4000, "that is the root");
	pa_profile_free(b.profile);
}

static uint8_t bytes[16384];

__attribute__((noinline)) static void capture(struct pa_regs *regs, struct pa_stack_view *copy)
{
	ucontext_t uc;
	ssize_t got;

	getcontext(&uc);
	pa_regs_from_ucontext(regs, &uc);
	got = pa_peek(regs->r[PA_REG_SP], bytes, sizeof(bytes));
	*copy = (struct pa_stack_view){regs->r[PA_REG_SP], regs->r[PA_REG_SP] + (uintptr_t)got,
				       bytes};
}

/* The tables are not there yet when the first copied stack comes. */
static void test_copy(void)
{
	const uint64_t kernel[] = {0xffffffff81000001, 0xffffffff81000002};
	struct pa_cpu_build b = build_new();
	struct pa_stack_view copy;
	struct pa_regs regs;
	struct pa_sample s;

	capture(&regs, &copy);
	pa_cpu_add_copy(&b, &regs, &copy, kernel, 2, PA_MODULES_NOW, 9);
	is_int(pa_profile_count(b.profile), 1, "a copied stack is added");
	s = pa_profile_sample(b.profile, 0);
	ok(s.frame_count >= 5, "with its callers (%zu frames)", s.frame_count);
	ok(s.frames[0] == kernel[0] && s.frames[1] == kernel[1], "under the kernel's frames");
	is_int(s.frames[2], regs.r[PA_REG_PC], "and the program counter");
	is_int(s.values[0], 9, "with its weight");
	is_int(pa_self_get(PA_SELF_cpu_samples_deferred), 9, "counted as unwound later");

	pa_cpu_add_copy(&b, &regs, &(struct pa_stack_view){0}, NULL, 0, PA_MODULES_NOW, 1);
	s = pa_profile_sample(b.profile, 1);
	is_int(s.frame_count, 1, "without any stack the program counter is left");
	pa_profile_free(b.profile);
}

int main(void)
{
	test_stacks();
	test_truncated();
	test_pseudo();
	test_copy();
	return tap_done();
}
