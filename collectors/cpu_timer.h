/* SPDX-License-Identifier: Apache-2.0
 * Between cpu_timer.c (timers, agent thread) and cpu_timer_sig.c (handler). */
#ifndef PA_COLLECTORS_CPU_TIMER_H
#define PA_COLLECTORS_CPU_TIMER_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/ring.h"
#include "agent/host/signal.h"
#include "agent/unwind/unwind.h"

struct pa_cpu_build;
struct pa_thread;

/* Threads share rings by slot index: memory does not grow with the number of threads, and a
 * thread's last samples outlive it. */
#define PA_CPU_SHARDS     8
#define PA_CPU_SHARD_SIZE (1u << 20)

#define PA_CPU_COPY_MAX (64u << 10) /* most stack bytes of one deferred sample */

enum pa_cpu_kind {
	PA_CPU_STACK,  /* words: count frames */
	PA_CPU_COPY,   /* words: struct pa_cpu_copy with count bytes */
	PA_CPU_PSEUDO, /* count: an enum pa_pseudo; words[0]: the thread's start routine */
};

struct pa_cpu_record {
	uint16_t kind; /* enum pa_cpu_kind */
	uint16_t end;  /* enum pa_walk_end of a PA_CPU_STACK */
	uint32_t weight;
	uint32_t count; /* frames, or bytes of stack */
	uint32_t thread;
	uint32_t generation; /* of the frames, see pa_unwind_walk; of a copy, see pa_cpu_add_copy */
	uint32_t reserved;
	uint64_t words[];
};

/* What is needed to walk a stack later. */
struct pa_cpu_copy {
	struct pa_regs regs;
	uint64_t lo; /* address of bytes[0] */
	uint8_t bytes[];
};

/* The window in progress; one at a time, so one object. */
struct pa_cpu_session {
	_Atomic bool active;
	_Atomic uint32_t handlers; /* running now: rings are freed when it is 0 */
	_Atomic uint32_t window;   /* number of this window, from 1 */
	_Atomic uint64_t lost;     /* samples that found no room, by weight */
	bool copy_all;             /* every sample is walked on the agent thread (libunwind) */
	uint32_t seccomp,
		seccomp_filters; /* of the agent itself; a thread with others is sandboxed */
	int signo;
	uint64_t period_ns;
	uint32_t overrun_max; /* expiries counted into one sample; beyond, a signal was blocked */
	struct pa_ring rings[PA_CPU_SHARDS];
};
extern struct pa_cpu_session pa_cpu_session;

/* What a timer's signal carries, to tell it from the host's: magic, generation, slot. */
static inline uint64_t pa_cpu_cookie(uint32_t slot, uint32_t generation)
{
	return PA_SIGNAL_COOKIE << 48 | (uint64_t)(generation & 0xffff) << 32 | slot;
}

/* Gives timers to all threads that have none (cpu_timer_thread.c). `again`: also looks once more at
 * those that could not be given one. Agent thread only. */
void pa_cpu_arm_all(bool again);

/* Takes the timer of one thread, or of all, away. Any thread. */
void pa_cpu_disarm(struct pa_thread *t);
void pa_cpu_disarm_all(void);

/* Adds the CPU time of living threads that no tick stands for, with its reason. Agent thread
 * only, after pa_cpu_disarm_all. */
void pa_cpu_add_missing(struct pa_cpu_build *b);

/* The engine's events, see struct pa_cpu_engine. */
void pa_cpu_thread_start(struct pa_thread *t);
void pa_cpu_thread_exit(struct pa_thread *t);
void pa_cpu_thread_sandbox(struct pa_thread *t);

/* The handler. Signal-safe. */
void pa_cpu_timer_handler(int signo, siginfo_t *info, void *ucontext);

/* The ring of a thread's slot. Signal-safe. */
struct pa_ring *pa_cpu_ring(uint32_t slot);

#endif
