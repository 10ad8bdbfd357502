/* SPDX-License-Identifier: Apache-2.0
 * cpu_shares.h in C++: exceptions are thrown through frames with destructors, and leaves run
 * before the throw, while destructors unwind, and inside the handler. */
#include "test/programs/cpu_shares.h"

namespace
{
struct Problem {
	int value;
};

struct Guard {
	struct work *w;
	bool run_in_destructor;

	~Guard()
	{
		if (run_in_destructor)
			run_leaf(w);
		w->sum++;
	}
};
} // namespace

NOINLINE void throw_below(struct work *w, int depth);
NOINLINE void throw_below(struct work *w, int depth)
{
	Guard guard = {w, depth == 3};

	if (depth == 0) {
		run_leaf(w);
		throw Problem{1};
	}
	throw_below(w, depth - 1);
	w->sum++;
}

extern "C" NOINLINE void level_40(struct work *w)
{
	run_leaf(w);
	try {
		throw_below(w, 6);
	} catch (const Problem &problem) {
		run_leaf(w);
		w->sum += static_cast<uint64_t>(problem.value);
	}
}
