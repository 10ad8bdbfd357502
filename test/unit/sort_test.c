/* SPDX-License-Identifier: Apache-2.0
 * Every element size and pattern: sorted, nothing lost, bounded effort. */
#include <stdbool.h>

#include "agent/base/compiler.h"
#include "agent/base/random.h"
#include "agent/base/sort.h"
#include "test/tap.h"

struct context {
	uint64_t compared;
	bool wrong_arg;
};

/* The first byte of an element is its key. */
static int by_first_byte(const void *a, const void *b, void *arg)
{
	const unsigned char *x = a, *y = b;
	struct context *c = arg;

	c->compared++;
	return (*x > *y) - (*x < *y);
}

static int by_u64(const void *a, const void *b, void *arg)
{
	const uint64_t *x = a, *y = b;
	struct context *c = arg;

	c->compared++;
	return (*x > *y) - (*x < *y);
}

/* All other bytes of an element follow from its key: a torn swap shows. */
static void test_size(size_t size)
{
	enum { COUNT = 300 };
	unsigned char *items = malloc(COUNT * size + 1);
	size_t seen[256] = {0};
	struct context c = {0};
	uint64_t seed = 88172645463325252ull + size;
	bool sorted = true, whole = true, same = true;

	for (size_t i = 0; i < COUNT; i++) {
		unsigned char key = (unsigned char)(pa_random(&seed) >> 56);

		seen[key]++;
		for (size_t j = 0; j < size; j++)
			items[i * size + j] = (unsigned char)(key + j * 7);
	}
	items[COUNT * size] = 0xa5;
	pa_sort(items, COUNT, size, by_first_byte, &c);
	for (size_t i = 0; i < COUNT; i++) {
		const unsigned char *it = items + i * size;

		sorted = sorted && (i == 0 || it[-(ptrdiff_t)size] <= it[0]);
		seen[it[0]]--;
		for (size_t j = 0; j < size; j++)
			whole = whole && it[j] == (unsigned char)(it[0] + j * 7);
	}
	for (int k = 0; k < 256; k++)
		same = same && !seen[k];
	ok(sorted && whole && same && items[COUNT * size] == 0xa5, "elements of %zu bytes", size);
	free(items);
}

static void fill(uint64_t *v, size_t n, int pattern)
{
	uint64_t seed = 1;

	for (size_t i = 0; i < n; i++) {
		switch (pattern) {
		case 0:
			v[i] = i;
			break;
		case 1:
			v[i] = n - i;
			break;
		case 2:
			v[i] = 5;
			break;
		case 3:
			v[i] = i % 2 ? i : n - i;
			break;
		default:
			v[i] = pa_random(&seed);
			break;
		}
	}
}

static void test_pattern(int pattern, const char *name)
{
	enum { N = 1 << 15 };
	static uint64_t v[N];
	struct context c = {0};
	uint64_t sum = 0, sum_after = 0;
	bool sorted = true;

	fill(v, N, pattern);
	for (size_t i = 0; i < N; i++)
		sum += v[i] * v[i];
	pa_sort(v, N, sizeof(*v), by_u64, &c);
	for (size_t i = 0; i < N; i++) {
		sum_after += v[i] * v[i];
		sorted = sorted && (i == 0 || v[i - 1] <= v[i]);
	}
	ok(sorted && sum == sum_after, "%s", name);
	ok(c.compared < 2ull * N * 15, "%s: at most 2 n log n comparisons (%.2f)", name,
	   (double)c.compared / (N * 15.0));
}

/* All permutations with repetition of up to six elements. */
static void test_exhaustive(void)
{
	bool good = true;

	for (size_t n = 0; n <= 6; n++) {
		size_t cases = 1;

		for (size_t i = 0; i < n; i++)
			cases *= n;
		for (size_t code = 0; code < cases; code++) {
			uint64_t v[7], sum = 0;
			struct context c = {0};

			for (size_t i = 0, rest = code; i < n; i++, rest /= n) {
				v[i] = rest % n;
				sum += 1ull << (8 * v[i]);
			}
			v[n] = 99;
			pa_sort(v, n, sizeof(*v), by_u64, &c);
			for (size_t i = 0; i < n; i++) {
				good = good && (i == 0 || v[i - 1] <= v[i]);
				sum -= 1ull << (8 * v[i]);
			}
			good = good && !sum && v[n] == 99;
		}
	}
	ok(good, "every arrangement of up to six elements");
}

static int liar(const void *a, const void *b, void *arg)
{
	(void)a;
	(void)b;
	return (int)(pa_random(arg) & 2) - 1;
}

int main(void)
{
	static const size_t sizes[] = {1, 2, 3, 4, 8, 12, 16, 24, 32, 63, 64, 65, 128, 200};
	static uint64_t v[1000];
	uint64_t seed = 3, sum = 0;

	for (size_t i = 0; i < PA_ARRAY_LEN(sizes); i++)
		test_size(sizes[i]);
	test_pattern(0, "ascending");
	test_pattern(1, "descending");
	test_pattern(2, "all equal");
	test_pattern(3, "interleaved");
	test_pattern(4, "random");
	test_exhaustive();
	fill(v, 1000, 0);
	pa_sort(v, 1000, sizeof(*v), liar, &seed);
	for (size_t i = 0; i < 1000; i++)
		sum += v[i];
	is_int(sum, 999 * 500, "a comparison that contradicts itself ends and loses nothing");
	return tap_done();
}
