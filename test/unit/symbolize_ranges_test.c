/* SPDX-License-Identifier: Apache-2.0
 * Ranges that overlap, against a search through all of them. */
#include "test/tap.h"

#include "agent/symbolize/ranges.h"

#define COUNT 300

static unsigned state = 1;

static unsigned next(unsigned below)
{
	state = state * 1103515245 + 12345;
	return (state >> 16) % below;
}

static void test_random(void)
{
	static uint64_t low[COUNT], high[COUNT];
	struct pa_dbg_ranges r = {0};
	unsigned wrong = 0, many = 0;

	for (unsigned i = 0; i < COUNT; i++) {
		low[i] = 1 + next(10000);
		high[i] = low[i] + 1 + next(i % 10 ? 50 : 3000);
		if (pa_dbg_ranges_add(&r, low[i], high[i], i) < 0)
			wrong++;
	}
	pa_dbg_ranges_sort(&r);
	for (uint64_t addr = 0; addr < 14000; addr += 3) {
		uint64_t values[COUNT];
		size_t n = pa_dbg_ranges_find(&r, addr, values, COUNT), all = 0;

		for (unsigned i = 0; i < COUNT; i++)
			all += low[i] <= addr && addr < high[i];
		wrong += n != all;
		for (size_t i = 0; i < n; i++) {
			wrong += addr < low[values[i]] || addr >= high[values[i]];
			wrong += i && low[values[i]] > low[values[i - 1]];
		}
		many += n > 3;
		if (n && (pa_dbg_ranges_find(&r, addr, values, 1) != 1 || low[values[0]] > addr))
			wrong++;
	}
	is_int(wrong, 0, "each address is in the ranges that hold it, the nearest first");
	ok(many > 100, "%u addresses in several", many);
	pa_dbg_ranges_free(&r);
}

static void test_small(void)
{
	struct pa_dbg_ranges r = {0};
	uint64_t values[4];

	is_int(pa_dbg_ranges_find(&r, 5, values, 4), 0, "none");
	ok(pa_dbg_ranges_add(&r, 10, 20, 7) == 0 && pa_dbg_ranges_add(&r, 10, 12, 8) == 0 &&
		   pa_dbg_ranges_add(&r, 15, 18, 7) == 0,
	   "three");
	pa_dbg_ranges_sort(&r);
	is_int(pa_dbg_ranges_find(&r, 10, values, 4), 2, "two that begin together");
	is_int(values[0], 8, "the smaller one first");
	is_int(pa_dbg_ranges_find(&r, 16, values, 4), 1, "two of one value are one");
	is_int(pa_dbg_ranges_find(&r, 20, values, 4), 0, "the end is not inside");
	is_int(pa_dbg_ranges_find(&r, 9, values, 4), 0, "nor what is before");
	pa_dbg_ranges_free(&r);
}

int main(void)
{
	test_small();
	test_random();
	return tap_done();
}
