/* SPDX-License-Identifier: Apache-2.0
 * Hash functions and the table. */
#include <errno.h>
#include <stdbool.h>

#include "agent/base/arena.h"
#include "agent/base/hash.h"
#include "agent/base/random.h"
#include "test/tap.h"

#define DEFAULT ((size_t)64 << 20)

static void test_functions(void)
{
	uint64_t words[40] = {0}, seen[41];
	char bytes[41] = {0};
	bool distinct = true;

	is_int(pa_hash_mix(1), 0xb456bcfc34c2cb2c, "fmix64(1)");
	for (size_t n = 0; n <= 40; n++) {
		seen[n] = pa_hash_words(words, n);
		for (size_t i = 0; i < n; i++)
			distinct = distinct && seen[i] != seen[n];
	}
	ok(distinct, "zeros of different count differ");
	distinct = true;
	for (size_t n = 0; n <= 40; n++) {
		seen[n] = pa_hash_bytes(bytes, n);
		for (size_t i = 0; i < n; i++)
			distinct = distinct && seen[i] != seen[n];
	}
	ok(distinct, "zero bytes of different count differ");
	words[0] = 1;
	words[1] = 2;
	words[2] = 2;
	words[3] = 1;
	ok(pa_hash_words(words, 2) != pa_hash_words(words + 2, 2), "the order counts");
	memcpy(bytes, "xhello", 6);
	memcpy(bytes + 10, "hello!", 6);
	ok(pa_hash_bytes(bytes + 1, 5) == pa_hash_bytes(bytes + 10, 5),
	   "neither alignment nor what is behind matters");
}

/* One changed bit changes about half of the hash. */
static void test_avalanche(void)
{
	uint64_t words[4] = {1, 2, 3, 4};
	uint64_t h = pa_hash_words(words, 4);
	int least = 64, most = 0;

	for (int bit = 0; bit < 256; bit++) {
		int changed;

		words[bit / 64] ^= 1ull << (bit % 64);
		changed = __builtin_popcountll(h ^ pa_hash_words(words, 4));
		words[bit / 64] ^= 1ull << (bit % 64);
		least = changed < least ? changed : least;
		most = changed > most ? changed : most;
	}
	ok(least >= 14 && most <= 50, "one bit changes %d to %d bits", least, most);
}

static void test_map(void)
{
	enum { N = 50000 };
	struct pa_map64 m = {0};
	size_t used = pa_mem_used();
	uint64_t value = 7;
	bool good = true;

	ok(!pa_map64_get(&m, 0, &value) && value == 7, "an empty map has no key 0");
	for (uint64_t i = 0; i < N; i++)
		good = good && pa_map64_put(&m, i << 12, i + 1) == 0;
	ok(good, "puts");
	is_int(m.count, N, "counts keys");
	for (uint64_t i = 0; i < N; i++)
		good = good && pa_map64_get(&m, i << 12, &value) && value == i + 1;
	ok(good, "gets all of them");
	for (uint64_t i = 0; i < N; i++)
		good = good && !pa_map64_get(&m, (i << 12) + 1, &value);
	ok(good, "and no other");
	for (uint64_t i = 0; i < N; i += 2)
		good = good && pa_map64_put(&m, i << 12, i) == 0;
	is_int(m.count, N, "overwriting adds no key");
	for (uint64_t i = 0; i < N; i++)
		good = good && pa_map64_get(&m, i << 12, &value) && value == i + i % 2;
	ok(good, "the new values are there");
	ok(m.capacity * 7 >= m.count * 10, "never fuller than 70 %%");
	pa_map64_done(&m);
	is_int(pa_mem_used(), used, "done frees");
	ok(!m.count && !pa_map64_get(&m, 4096, &value), "and leaves an empty map");
}

static void test_special_keys(void)
{
	struct pa_map64 m = {0};
	uint64_t value = 0;
	bool good;

	good = pa_map64_put(&m, UINT64_MAX, 1) == 0 && pa_map64_put(&m, 1, 2) == 0;
	ok(good && !pa_map64_get(&m, 0, &value), "key 0 is not there unless put");
	ok(pa_map64_put(&m, 0, 0) == 0 && pa_map64_get(&m, 0, &value) && !value, "key 0, value 0");
	is_int(m.count, 3, "is one key");
	ok(pa_map64_put(&m, 0, 9) == 0 && m.count == 3, "also when put twice");
	for (uint64_t i = 2; i < 1000; i++)
		good = good && pa_map64_put(&m, i, i) == 0;
	ok(good && pa_map64_get(&m, 0, &value) && value == 9, "key 0 survives growing");
	ok(pa_map64_get(&m, UINT64_MAX, &value) && value == 1, "so does the largest");
	pa_map64_done(&m);
	ok(!pa_map64_get(&m, 0, &value), "gone");
}

static void test_budget(void)
{
	struct pa_map64 m = {0};
	uint64_t n = 0, value;
	struct pa_map64 before;
	bool good = true;

	pa_mem_limit_set(0);
	is_int(pa_map64_put(&m, 1, 1), -ENOMEM, "no memory for the first key");
	ok(!m.count && !m.capacity && !m.slots, "leaves the map empty");
	pa_mem_limit_set(pa_mem_used() + (40 << 10));
	while (pa_map64_put(&m, n, n) == 0 && n < 100000)
		n++;
	before = m;
	ok(n > 500 && n < 2000, "the budget ends growth (%d keys)", (int)n);
	is_int(pa_map64_put(&m, n, n), -ENOMEM, "one more key");
	ok(!memcmp(&m, &before, sizeof(m)), "leaves the map as it was");
	for (uint64_t i = 0; i < n; i++)
		good = good && pa_map64_get(&m, i, &value) && value == i;
	ok(good && !pa_map64_get(&m, n, &value), "with all its keys");
	ok(pa_map64_put(&m, 3, 33) == 0 && pa_map64_get(&m, 3, &value) && value == 33,
	   "a key that is there can be overwritten");
	pa_map64_done(&m);
	pa_mem_limit_set(DEFAULT);
}

int main(void)
{
	test_functions();
	test_avalanche();
	test_map();
	test_special_keys();
	test_budget();
	return tap_done();
}
