/* SPDX-License-Identifier: Apache-2.0
 * The neutral profile: adding up, many stacks, limits of memory and of numbers. */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/core/profile.h"
#include "test/tap.h"

#define DEFAULT_BUDGET ((size_t)64 << 20)

static struct pa_profile *cpu_profile(void)
{
	struct pa_profile *p = pa_profile_new("profile");

	if (!p) {
		ok(false, "profile created");
		exit(tap_done());
	}
	p->types[0] = (struct pa_value_type){"samples", "count"};
	p->types[1] = (struct pa_value_type){"cpu", "nanoseconds"};
	p->type_count = 2;
	return p;
}

static void add(struct pa_profile *p, const uint64_t *frames, size_t count, int64_t a, int64_t b)
{
	int64_t values[] = {a, b};

	pa_profile_add(p, frames, count, values);
}

/* runtime/pprof TestConvertCPUProfile: equal stacks become one sample. */
static void test_aggregates(void)
{
	static const uint64_t a[] = {0x1000, 0x2000, 0x3000}, b[] = {0x1000, 0x2000},
			      c[] = {0x2000, 0x1000};
	struct pa_profile *p = cpu_profile();
	struct pa_sample s;

	is_int(pa_profile_count(p), 0, "a new profile is empty");
	is_int(pa_profile_total(p, 0), 0, "and its total 0");
	add(p, a, 3, 10, 20000000);
	add(p, b, 2, 1, 1);
	add(p, a, 3, 10, 20000000);
	add(p, c, 2, 3, 3);
	is_int(pa_profile_count(p), 3, "three distinct stacks");
	s = pa_profile_sample(p, 0);
	is_int(s.frame_count, 3, "in order of appearance");
	ok(!memcmp(s.frames, a, sizeof(a)), "with their frames");
	is_int(s.values[0], 20, "10 + 10 samples");
	is_int(s.values[1], 40000000, "and their nanoseconds");
	s = pa_profile_sample(p, 1);
	is_int(s.frame_count, 2, "a prefix is another stack");
	is_int(s.values[0], 1, "with a value of its own");
	s = pa_profile_sample(p, 2);
	ok(!memcmp(s.frames, c, sizeof(c)), "so is another order");
	is_int(pa_profile_total(p, 0), 24, "total of the first type");
	is_int(pa_profile_total(p, 1), 40000004, "total of the second");
	is_int(pa_profile_total(p, 2), 0, "a type that is not there");
	is_int(pa_profile_total(p, -1), 0, "nor there");
	is_int(pa_profile_total(p, PA_PROFILE_VALUES), 0, "nor beyond");
	pa_profile_free(p);
}

static void test_values(void)
{
	static const uint64_t a[] = {0x1000}, b[] = {0x2000};
	struct pa_profile *p = cpu_profile();

	add(p, a, 1, -5, INT64_MAX);
	add(p, a, 1, 2, 1);
	add(p, b, 1, INT64_MIN, -1);
	add(p, b, 1, -1, -2);
	is_int(pa_profile_sample(p, 0).values[0], -3, "negative values are legal");
	is_int(pa_profile_sample(p, 0).values[1], INT64_MAX, "sums stop at the top");
	is_int(pa_profile_sample(p, 1).values[0], INT64_MIN, "and at the bottom");
	is_int(pa_profile_sample(p, 1).values[1], -3, "and not before");
	pa_profile_free(p);

	p = cpu_profile();
	p->type_count = 1;
	add(p, a, 1, 7, 99);
	is_int(pa_profile_total(p, 0), 7, "one type: its value counts");
	is_int(pa_profile_total(p, 1), 0, "what is behind is not read");
	pa_profile_free(p);
}

static void test_odd_stacks(void)
{
	static const uint64_t zeros[] = {0, 0, 0};
	uint64_t deep[3000];
	struct pa_profile *p = cpu_profile();
	struct pa_sample s;

	add(p, NULL, 0, 1, 1);
	s = pa_profile_sample(p, 0);
	is_int(s.frame_count, 1, "no stack: one frame");
	is_str(pa_pseudo_name(s.frames[0]), "[stack unknown]", "that says so");
	add(p, zeros, 1, 1, 1);
	add(p, zeros, 2, 1, 1);
	add(p, zeros, 3, 1, 1);
	is_int(pa_profile_count(p), 4, "stacks of zeros differ by their depth");
	for (size_t i = 0; i < 3000; i++)
		deep[i] = i;
	add(p, deep, 3000, 5, 5);
	add(p, deep, 2999, 6, 6);
	add(p, deep, 3000, 5, 5);
	s = pa_profile_sample(p, 4);
	is_int(s.frame_count, 3000, "a deep stack");
	ok(!memcmp(s.frames, deep, sizeof(deep)), "is kept whole");
	is_int(s.values[0], 10, "and found again");
	pa_profile_free(p);
}

static void stack_of(uint64_t i, uint64_t frames[20])
{
	for (uint64_t d = 0; d < 20; d++)
		frames[d] = 0x400000 + 16 * ((i >> (d / 2)) * 31 + d);
}

static bool adds_up(const struct pa_profile *p, int type)
{
	int64_t sum = 0;

	for (size_t i = 0; i < pa_profile_count(p); i++)
		sum += pa_profile_sample(p, i).values[type];
	return sum == pa_profile_total(p, type);
}

static void test_many(void)
{
	const uint64_t count = 100000;
	struct pa_profile *p = cpu_profile();
	uint64_t frames[20];
	bool good = true;

	for (int round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < count; i++) {
			stack_of(i, frames);
			add(p, frames, 20, 1, (int64_t)i);
		}
	}
	is_int(pa_profile_count(p), count, "100 000 distinct stacks, each added twice");
	for (uint64_t i = 0; i < count; i++) {
		struct pa_sample s = pa_profile_sample(p, i);

		stack_of(i, frames);
		good = good && s.frame_count == 20 && !memcmp(s.frames, frames, sizeof(frames)) &&
		       s.values[0] == 2 && s.values[1] == 2 * (int64_t)i;
	}
	ok(good, "come back as they went in");
	ok(adds_up(p, 0) && adds_up(p, 1), "and add up to the totals");
	ok(pa_mem_used() < (size_t)30 << 20, "in less than 30 MiB (%zu)", pa_mem_used());
	pa_profile_free(p);
	is_int(pa_mem_used(), 0, "all of which is given back");
}

/* At any budget: nothing is lost from the totals, nothing of the memory. */
static void test_budget(size_t limit)
{
	struct pa_profile *p;
	struct pa_sample last;
	uint64_t frames[20];
	size_t count;
	bool same = true;

	pa_mem_limit_set(limit);
	p = pa_profile_new("profile");
	if (!p) {
		is_int(pa_mem_used(), 0, "no profile at all, and nothing taken");
		return;
	}
	p->type_count = 2;
	for (uint64_t i = 0; i < 20000; i++) {
		stack_of(i, frames);
		add(p, frames, 20, 1, 10);
	}
	count = pa_profile_count(p);
	last = pa_profile_sample(p, count - 1);
	ok(count < 20000 && last.frame_count == 1 &&
		   last.frames[0] == PA_PSEUDO_FRAME(PA_PSEUDO_NO_MEMORY),
	   "budget of %zu KiB: %zu stacks fit, the rest is one pseudo frame", limit >> 10,
	   count - 1);
	is_int(last.values[0], 20000 - (int64_t)(count - 1), "with all that did not fit");
	ok(pa_profile_total(p, 0) == 20000 && adds_up(p, 0) && adds_up(p, 1), "totals stay true");
	for (uint64_t i = 0; i < 20000; i++) {
		stack_of(i, frames);
		add(p, frames, 20, 1, 10);
	}
	for (size_t i = 0; i < count - 1; i++)
		same = same && pa_profile_sample(p, i).values[0] == 2;
	ok(same, "stacks that are known go on being counted");
	is_int(pa_profile_count(p), count, "the number of samples stays");
	pa_profile_free(p);
	is_int(pa_mem_used(), 0, "all memory is given back");
}

/* Adding a profile up with another keeps one sample for what did not fit. */
static void test_leftover_merges(void)
{
	static const uint64_t lost = PA_PSEUDO_FRAME(PA_PSEUDO_NO_MEMORY), a[] = {0x1000};
	struct pa_profile *p = cpu_profile();

	add(p, &lost, 1, 4, 4);
	add(p, a, 1, 1, 1);
	add(p, &lost, 1, 5, 5);
	is_int(pa_profile_count(p), 2, "two samples");
	is_int(pa_profile_sample(p, 0).frames[0], 0x1000, "the ordinary one first");
	is_int(pa_profile_sample(p, 1).values[0], 9, "then the pseudo frame");
	pa_profile_free(p);
}

static void test_comments(void)
{
	struct pa_profile *p = cpu_profile();
	char longer[400], name[16];

	memset(longer, 'x', sizeof(longer));
	longer[399] = '\0';
	ok(!pa_profile_comment_get(p, 0), "no comment at first");
	pa_profile_comment(p, "cpu engine %s, %u Hz", "timer", 100u);
	pa_profile_comment(p, "%s", longer);
	is_str(pa_profile_comment_get(p, 0), "cpu engine timer, 100 Hz", "formatted");
	is_int(strlen(pa_profile_comment_get(p, 1)), 255, "cut");
	ok(!pa_profile_comment_get(p, 2), "NULL behind the last");
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%d", i);
		pa_profile_comment(p, "%s", name);
	}
	is_str(pa_profile_comment_get(p, 31), "29", "32 are kept");
	ok(!pa_profile_comment_get(p, 32), "the others dropped");
	pa_profile_free(p);
	pa_profile_free(NULL);
	is_int(pa_mem_used(), 0, "freed");
}

static void test_pseudo_names(void)
{
	bool named = true, distinct = true;

	for (int i = 0; i < PA_PSEUDO_COUNT; i++) {
		const char *name = pa_pseudo_name(PA_PSEUDO_FRAME(i));

		named = named && name && name[0] == '[';
		for (int j = 0; named && j < i; j++)
			distinct =
				distinct && strcmp(name, pa_pseudo_name(PA_PSEUDO_FRAME(j))) != 0;
	}
	ok(named, "every pseudo frame has a name in brackets");
	ok(distinct, "of its own");
	is_str(pa_pseudo_name(PA_PSEUDO_FRAME(PA_PSEUDO_LOST)), "[lost samples]", "lost samples");
	ok(!pa_pseudo_name(0) && !pa_pseudo_name(PA_PSEUDO_BASE) && !pa_pseudo_name(UINT64_MAX),
	   "other addresses have none");
	ok(!pa_pseudo_name(PA_PSEUDO_FRAME(0) + 1) &&
		   !pa_pseudo_name(PA_PSEUDO_FRAME(PA_PSEUDO_COUNT)),
	   "neither between nor behind");
}

int main(void)
{
	static const size_t limits[] = {0, 4, 8, 12, 16, 24, 80, 100, 150, 300, 1000, 3000};

	test_aggregates();
	test_values();
	test_odd_stacks();
	test_many();
	test_leftover_merges();
	test_comments();
	test_pseudo_names();
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		test_budget(limits[i] << 10);
	pa_mem_limit_set(DEFAULT_BUDGET);
	return tap_done();
}
