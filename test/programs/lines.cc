// SPDX-License-Identifier: Apache-2.0
// Functions inlined three deep, a template, a lambda and an operator: what profiles say about each is
// compared with the lines marked here.
//
//	lines [SECONDS]
#include <time.h>

#include <cstdint>
#include <cstdlib>

#define INLINE   static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline, noclone))

// The loop is on the line that does the work.
#define REPEAT(n, action)                                                                          \
	for (uint64_t i = 0; i < (n); i++)                                                         \
	action

static volatile uint64_t sum;

INLINE void innermost(uint64_t n)
{
	REPEAT(n, sum += i); // mark: innermost
}

INLINE void middle(uint64_t n)
{
	innermost(n); // mark: middle
}

INLINE void outermost(uint64_t n)
{
	middle(n); // mark: outermost
}

NOINLINE static void three_deep(uint64_t n)
{ // mark: three_deep_start
	sum += 1;
	outermost(n); // mark: three_deep
	sum += 2;
}

namespace shapes
{
template <typename T, int N> struct Box {
	T value;
	NOINLINE void hot(uint64_t n)
	{
		REPEAT(n, sum += value * N); // mark: template
	}
	NOINLINE Box operator+(uint64_t n)
	{
		REPEAT(n, sum += i ^ value); // mark: operator
		return *this;
	}
};
} // namespace shapes

template <typename F> NOINLINE static void call(F f, uint64_t n)
{
	f(n); // mark: call
	sum += 3;
}

static double now()
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

int main(int argc, char **argv)
{
	const double end = now() + (argc > 1 ? atof(argv[1]) : 60);
	shapes::Box<uint64_t, 7> box = {5};

	while (now() < end) {
		three_deep(100000);
		box.hot(100000);
		box = box + 100000;
		call(
			[](uint64_t n) {
				REPEAT(n, sum += i | 1); // mark: lambda
			},
			100000);
	}
	return 0;
}
