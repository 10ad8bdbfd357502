/* SPDX-License-Identifier: Apache-2.0
 * The host's threads, one slot each. Threads made by pthread_create claim theirs in the new
 * thread; others (raw clone, libc's own helpers) are found in /proc/self/task by pa_thread_scan.
 * The agent's own threads are listed apart and never get a slot. */
#ifndef PA_HOST_THREAD_H
#define PA_HOST_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/compiler.h"

#define PA_THREADS_MAX 16384 /* slots; threads beyond are counted by pa_threads_dropped */

enum pa_thread_state {
	PA_THREAD_FREE,
	PA_THREAD_SCANNED, /* found in /proc: its exit is noticed by the next scan only */
	PA_THREAD_HOOKED,  /* announced itself, and will announce its exit */
};

struct pa_thread {
	_Atomic uint32_t state;      /* enum pa_thread_state */
	_Atomic pid_t tid;           /* 0 while the slot is free */
	uint32_t index;              /* of this slot */
	_Atomic uint32_t generation; /* grows whenever the slot is released */
	_Atomic uint32_t next_free;  /* index + 1 in the list of free slots */

	/* Written by the claiming thread before state is set, zero where not known. */
	uintptr_t stack_end;    /* no stack at or above */
	uintptr_t stack_low;    /* no stack below */
	uint64_t start_routine; /* function given to pthread_create */

	/* Under a seccomp filter of its own: it may make no system call for us, nor get signals,
	 * as returning from a handler is one. */
	_Atomic uint32_t sandboxed;

	_Atomic uint32_t small_stack; /* its alternate stack has no room for our handler */

	/* The CPU collector's, see collectors/cpu_timer.c. */
	_Atomic int64_t cpu_timer;   /* kernel timer id + 1, 0 none, -1 being set up or torn down */
	_Atomic uint32_t cpu_reason; /* why there is no timer: enum pa_pseudo + 1, 0 no reason */
	_Atomic uint32_t cpu_timer_generation; /* of the slot when cpu_timer was set */
	_Atomic uint32_t cpu_handling;         /* its handler is running: frames[] is in use */
	_Atomic uint64_t cpu_ticks;            /* weight of the samples since cpu_start */
	_Atomic uint64_t cpu_start;            /* its CPU clock when counting began */
	_Atomic uint64_t cpu_first;            /* from cpu_start to its first tick */
	_Atomic uint32_t cpu_window;           /* window that the two above belong to */
	uint64_t frames[256];                  /* where its signal handler collects a stack */
	uint64_t registers[17]; /* ... and keeps what its own stack has no room for */
};

/* What to call when a host thread starts and exits (not in a sandbox), on that thread, in the
 * host's context: no lock, no allocation, errno kept. */
struct pa_thread_events {
	void (*start)(struct pa_thread *t);
	void (*exit)(struct pa_thread *t);
	/* It can take no signals from now on: t->sandboxed or t->small_stack is set. On some
	 * thread. */
	void (*sandbox)(struct pa_thread *t);
	/* The agent is to end: a sandbox is about to be put around its threads too. */
	void (*stop)(void);
};

/* Sets up the table and the calling (main) thread's slot. From then on new threads announce
 * themselves. Constructor only. 0 or -errno. */
int pa_threads_init(const struct pa_thread_events *events) PA_CHECKED;

/* Whether pa_threads_init has been called with success; hooks do nothing before. Signal-safe. */
bool pa_threads_active(void);

/* Slot i < pa_threads_limit(), whatever its state. Signal-safe. */
struct pa_thread *pa_thread_slot(uint32_t i);
uint32_t pa_threads_limit(void); /* one more than the highest index ever used */
uint64_t pa_threads_dropped(void);
uint64_t pa_threads_seen(void);

/* Announces the calling thread and its exit: sets its slot, tells the events. For
 * hook_pthread.c. */
void pa_thread_enter(uintptr_t stack_end, size_t stack_size, uint64_t start_routine,
		     bool sandboxed);

/* For hook_seccomp.c: the calling thread (or all) enters a sandbox; returns whether it was in one
 * already, which the second call takes when it did not come to that. */
bool pa_thread_sandbox_enter(bool all);
void pa_thread_sandbox_failed(bool before);

/* Whether the calling thread is in a sandbox; threads that it makes are too. */
bool pa_thread_sandboxed(void);

/* For hook_altstack.c: the calling thread is about to get an alternate stack that is too small for
 * our handler, or has got another. */
void pa_thread_small_stack(bool small);

/* Brings the table in line with /proc/self/task: adds threads nobody announced, releases slots
 * of threads that are gone; tells `added` and `gone` (before the release). Does nothing when the
 * number of threads is as before, unless forced. Agent thread only, one at a time. */
void pa_thread_scan(bool force, void (*added)(struct pa_thread *),
		    void (*gone)(struct pa_thread *));

/* Starts a detached thread of the agent: every signal blocked, 256 KiB of stack, named `name`
 * (15 characters). 0 or -errno. Agent thread only, and the constructor. */
int pa_thread_spawn_agent(const char *name, void (*run)(void *), void *arg) PA_CHECKED;

/* Gives the calling thread a root and working directory of its own, so that threads of the agent
 * made before keep theirs: a host that goes into an empty chroot(2) is still seen through /proc, and
 * setns(2) refuses threads that share them with others. Constructor, or in a forked child. */
void pa_thread_part_from_agent(void);

/* Ends the process, with the main thread's status, when all threads of the host have ended by
 * exit(2) itself and only the agent's are left. Agent thread only, once a second or so. */
void pa_threads_check_end(void);

/* Whether a thread of this process is one of the agent's. Any thread. */
bool pa_thread_is_agent(pid_t tid);

/* Thread ids of the agent's threads, 0 where there is none; NULL behind the last. Any thread. */
#define PA_AGENT_THREADS 64
pid_t pa_thread_agent_tid(unsigned i);

/* CPU time used so far by the agent's living threads, in ns. Agent thread only. */
uint64_t pa_thread_agents_cpu(void);

/* In a forked child, single-threaded: only the calling thread is left. */
void pa_threads_fork_child(void);

#endif
