/* SPDX-License-Identifier: Apache-2.0
 * Between the CPU collector (cpu.c), its two engines (cpu_timer*.c, cpu_perf*.c) and the record
 * format that takes samples from handlers to the agent thread. */
#ifndef PA_COLLECTORS_CPU_H
#define PA_COLLECTORS_CPU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/modules.h"
#include "agent/base/ring.h"
#include "agent/core/profile.h"
#include "agent/unwind/unwind.h"

struct pa_thread;
struct pa_window;

/* One window's profile under construction. Agent thread only. */
struct pa_cpu_build {
	struct pa_profile *profile;
	uint64_t period_ns;
	uint32_t hz;
	/* For objects that nobody tells about: not before this time, and how long it is between two. */
	uint64_t next_look, look_gap;
};

/* Adds weight periods of CPU time to a stack; generation and end are what its walk returned. */
void pa_cpu_add(struct pa_cpu_build *b, const uint64_t *frames, int count, uint32_t generation,
		enum pa_walk_end end, uint64_t weight);

/* Adds a pseudo frame, under a thread's start routine where that is known (0: not). */
void pa_cpu_add_pseudo(struct pa_cpu_build *b, enum pa_pseudo what, uint64_t start_routine,
		       uint64_t weight);

/* Walks a copied stack, bringing the unwinder's tables up to date first, and adds it. kernel
 * frames (leaf first) go in front. since: a generation that was in force when it was copied, or
 * before; PA_MODULES_NOW when it is known to be of a later one. */
void pa_cpu_add_copy(struct pa_cpu_build *b, const struct pa_regs *regs,
		     const struct pa_stack_view *copy, const uint64_t *kernel, int kernel_count,
		     uint32_t since, uint64_t weight);

struct pa_cpu_engine {
	const char *name;
	/* Agent thread, once at agent start. 0 or -errno. NULL: nothing to do. */
	int (*open)(void);
	/* Agent thread. Begins sampling at b->hz; 0, or -errno and a text for the client. */
	int (*start)(struct pa_cpu_build *b, char *error);
	/* Agent thread: moves samples into b; called again within interval ns, which it returns. */
	uint64_t (*drain)(struct pa_cpu_build *b);
	/* Agent thread. No sample is taken any more on return; adds what the totals lack. */
	void (*stop)(struct pa_cpu_build *b);
	/* On the thread, in the host's context; NULL: none. */
	void (*thread_start)(struct pa_thread *t);
	void (*thread_exit)(struct pa_thread *t);
	void (*thread_sandbox)(struct pa_thread *t);
	/* In a forked child, single-threaded. NULL: none. */
	void (*fork_child)(void);
};

extern const struct pa_cpu_engine pa_cpu_timer, pa_cpu_perf;

#endif
