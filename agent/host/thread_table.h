/* SPDX-License-Identifier: Apache-2.0
 * Between thread.c (the table), thread_scan.c (/proc) and thread_agent.c (the agent's own). */
#ifndef PA_HOST_THREAD_TABLE_H
#define PA_HOST_THREAD_TABLE_H

#include "agent/host/thread.h"

/* The slots, in chunks that are mapped when first needed and never unmapped. */
#define PA_THREAD_CHUNK 64
extern _Atomic(struct pa_thread *) pa_thread_chunks[PA_THREADS_MAX / PA_THREAD_CHUNK];

/* Takes a free slot and publishes it with this tid and state. NULL when the table is full or
 * memory is short. stack_size 0: not known. Any thread. */
struct pa_thread *pa_thread_claim(pid_t tid, uint32_t state, uintptr_t stack_end, size_t stack_size,
				  uint64_t start_routine);

/* Frees the slot if it still is in `state`; false when somebody changed it. Any thread. */
bool pa_thread_release(struct pa_thread *t, uint32_t state);

/* The slot with this tid and state, NULL when there is none. Linear. Any thread. */
struct pa_thread *pa_thread_find(pid_t tid, uint32_t state);

/* Slots in state PA_THREAD_SCANNED: zero in nearly every program. Any thread. */
int pa_thread_scanned_count(void);
void pa_thread_scanned_add(int n);

/* Agent threads being started that may not be in the list of agent threads yet. */
int pa_thread_agents_starting(void);

/* Whether test says true of a thread of this process, or that cannot be found out. Agent thread
 * only. */
bool pa_thread_any_task(bool (*test)(pid_t tid, void *arg), void *arg);

/* Counts announced threads; the process ends after the last one. Any thread. */
void pa_thread_alive_add(int n);

void pa_thread_end_fork_child(int alive);
/* Whether one of the agent's threads is there still, or about to be. Any thread. */
bool pa_thread_agents_any(void);

void pa_thread_scan_fork_child(void);
void pa_thread_agent_fork_child(void);

#endif
