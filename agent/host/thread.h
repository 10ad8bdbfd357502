/* SPDX-License-Identifier: Apache-2.0
 * The host's threads. A fixed-size table of slots: threads created through pthread_create claim
 * theirs in the new thread, others are found in /proc/self/task by pa_thread_scan. The agent's own
 * threads are listed apart and never get a slot. */
#ifndef PA_HOST_THREAD_H
#define PA_HOST_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/compiler.h"

#define PA_THREADS_MAX 16384 /* slots; more threads are counted in self.threads_dropped */

struct pa_thread {
	_Atomic pid_t tid;           /* 0: free slot */
	uint32_t index;              /* of this slot, constant */
	_Atomic uint32_t generation; /* grows whenever the slot changes hands */
	uintptr_t stack_end;    /* nothing at or above it is stack; 0: not known (found in /proc) */
	uintptr_t stack_low;    /* lowest usable address; 0: not known */
	uint64_t start_routine; /* function given to pthread_create; 0: not known */
	bool hooked;            /* came through pthread_create: exit will be reported */

	/* The CPU collector's. Written by the agent or, at start and exit, by the thread itself. */
	_Atomic int32_t cpu_timer;    /* kernel timer id + 1; 0: none */
	_Atomic uint64_t cpu_samples; /* ticks of this window */
	_Atomic uint64_t cpu_start;   /* thread CPU ns when the window, or the thread, began */
	uint64_t frames[256];         /* scratch of the signal handler, used with signals blocked */
};

/* Sets up the table and the calling (main) thread's slot. Constructor only. 0 or -errno. */
int pa_threads_init(void) PA_CHECKED;

/* Slot i < pa_threads_limit(): free ones have tid 0. Any thread. */
struct pa_thread *pa_thread_slot(uint32_t i);
uint32_t pa_threads_limit(void); /* one more than the highest slot ever used */

/* The calling thread's slot, NULL when it has none. Signal-safe. */
struct pa_thread *pa_thread_self(void);

/* Claims a slot for the calling thread. NULL when the table is full. Signal-safe. */
struct pa_thread *pa_thread_claim(pid_t tid, uintptr_t stack_end, uintptr_t stack_low,
				  uint64_t start_routine);
void pa_thread_release(struct pa_thread *t);

/* Brings the table in line with /proc/self/task: adds threads nobody announced, releases slots of
 * threads that went without saying. `added`/`gone` are told about each (may be NULL). Cheap when
 * the thread count did not change and force is false. Agent thread only. */
void pa_thread_scan(bool force, void (*added)(struct pa_thread *),
		    void (*gone)(struct pa_thread *));

/* Marks the calling thread as one of the agent's. */
void pa_thread_mark_agent(void);
bool pa_thread_is_agent(pid_t tid);

/* Starts a detached agent thread: all signals blocked, real pthread_create, small stack, named
 * `name`. 0 or -errno. Any thread of the agent, and the constructor. */
int pa_thread_spawn_agent(const char *name, void (*run)(void *), void *arg) PA_CHECKED;

/* In a forked child, single-threaded: only the calling thread is left. */
void pa_threads_fork_child(void);

#endif
