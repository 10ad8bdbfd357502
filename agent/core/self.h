/* SPDX-License-Identifier: Apache-2.0
 * What the agent knows about itself: events it dropped, cut or could not attribute. Relaxed
 * atomics, signal-safe. One row here is one counter everywhere it is shown. */
#ifndef PA_CORE_SELF_H
#define PA_CORE_SELF_H

#include <stdatomic.h>
#include <stdint.h>

#define PA_SELF_COUNTERS(X)                                                                        \
	X(cpu_samples, "CPU samples taken")                                                        \
	X(cpu_samples_lost, "CPU samples dropped because buffers were full")                       \
	X(cpu_samples_deferred, "CPU samples unwound later from a stack copy")                     \
	X(cpu_stacks_truncated, "CPU stacks deeper than the limit")                                \
	X(cpu_stacks_broken, "CPU stacks that did not reach their root")                           \
	X(cpu_overruns, "timer expiries that came together with another")                          \
	X(threads_seen, "host threads seen")                                                       \
	X(threads_unhooked, "host threads found in /proc only")                                    \
	X(threads_dropped, "host threads beyond the registry's size")                              \
	X(http_requests, "HTTP requests answered")                                                 \
	X(http_refused, "connections refused because of limits")                                   \
	X(forks, "forked children that began again from nothing")

enum pa_self {
#define PA_SELF_ENUM(name, text) PA_SELF_##name,
	PA_SELF_COUNTERS(PA_SELF_ENUM)
#undef PA_SELF_ENUM
		PA_SELF_COUNT
};

extern _Atomic uint64_t pa_self_counters[PA_SELF_COUNT];

static inline void pa_self_add(enum pa_self which, uint64_t n)
{
	atomic_fetch_add_explicit(&pa_self_counters[which], n, memory_order_relaxed);
}

static inline uint64_t pa_self_get(enum pa_self which)
{
	return atomic_load_explicit(&pa_self_counters[which], memory_order_relaxed);
}

/* Name and text of a counter; NULL behind the last. */
const char *pa_self_name(unsigned which);
const char *pa_self_text(unsigned which);

#endif
