/* SPDX-License-Identifier: Apache-2.0
 * The neutral profile: where collectors and exporters meet. Samples with equal stacks are added
 * up as they come in. Memory counts against the agent's budget; what does not fit is added to
 * one pseudo frame, so totals stay true. Not thread-safe: one owner at a time. */
#ifndef PA_CORE_PROFILE_H
#define PA_CORE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

#define PA_PROFILE_VALUES 4 /* most value types of one profile (heap has four) */

struct pa_value_type {
	const char *type; /* "cpu" */
	const char *unit; /* "count", "nanoseconds" or "bytes" */
};

/* Pseudo frames stand for what has no code address. They lie in non-canonical space, where no
 * code can be, each at an address of its own: scrapers tell frames apart by address only. */
#define PA_PSEUDO_BASE 0x00fa000000000000ull
enum pa_pseudo {
	PA_PSEUDO_LOST,            /* samples dropped: buffers full */
	PA_PSEUDO_SIGNALS_BLOCKED, /* CPU time of a thread that blocks every signal */
	PA_PSEUDO_SANDBOXED,       /* CPU time of a thread in a seccomp sandbox of its own */
	PA_PSEUDO_SMALL_STACK,     /* CPU time of a thread whose stack is too small for a handler */
	PA_PSEUDO_UNSAMPLED,       /* CPU time that the timer missed */
	PA_PSEUDO_KERNEL,          /* system time that the engine may not look into */
	PA_PSEUDO_NO_MEMORY,       /* stacks that no longer fitted the memory budget */
	PA_PSEUDO_TRUNCATED,       /* root of stacks cut at the depth limit */
	PA_PSEUDO_AGENT,           /* stacks of nothing but the agent's own frames */
	PA_PSEUDO_NO_STACK,        /* samples without a stack */
	PA_PSEUDO_COUNT
};
#define PA_PSEUDO_FRAME(p) (PA_PSEUDO_BASE + 16 * ((uint64_t)(p) + 1))

/* Name of a pseudo frame such as "[lost samples]"; NULL when addr is not one. Any thread. */
const char *pa_pseudo_name(uint64_t addr);

struct pa_profile {
	const char *name;                              /* "profile", "heap": static string */
	struct pa_value_type types[PA_PROFILE_VALUES]; /* in the order that pprof shows */
	int type_count;
	struct pa_value_type period_type;
	int64_t period;
	const char *default_type; /* NULL: none */
	uint64_t time_ns;         /* Unix time */
	uint64_t duration_ns;     /* 0: absent */
};

/* A new empty profile; the caller fills in the public fields. NULL: over the budget. */
struct pa_profile *pa_profile_new(const char *name) PA_CHECKED;
void pa_profile_free(struct pa_profile *p); /* NULL is fine */

/* Adds values[type_count] to the sample with this stack: leaf first, addresses as
 * pa_unwind_walk writes them; no frames become PA_PSEUDO_NO_STACK. Sums stop at the ends of
 * int64_t. New stacks that come while three quarters of the agent's memory are in use are added
 * to PA_PSEUDO_NO_MEMORY; once memory was refused, all are. */
void pa_profile_add(struct pa_profile *p, const uint64_t *frames, size_t count,
		    const int64_t *values);

/* The value sum of one type, and the number of samples (distinct stacks). */
int64_t pa_profile_total(const struct pa_profile *p, int type);
size_t pa_profile_count(const struct pa_profile *p);

struct pa_sample {
	const uint64_t *frames;
	size_t frame_count;
	const int64_t *values;
};

/* Sample i < pa_profile_count, in order of first appearance, PA_PSEUDO_NO_MEMORY at the end.
 * Valid until the next add. */
struct pa_sample pa_profile_sample(const struct pa_profile *p, size_t i);

/* Appends a remark for `pprof -comments` (engine, lost samples ...), cut at 255 bytes; the 33rd
 * and later ones are dropped. */
void pa_profile_comment(struct pa_profile *p, const char *fmt, ...) PA_PRINTF(2, 3);
const char *pa_profile_comment_get(const struct pa_profile *p, size_t i); /* NULL behind the last */

#endif
