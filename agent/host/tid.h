/* SPDX-License-Identifier: Apache-2.0
 * The calling thread's kernel id without a system call: a host thread under a seccomp filter may
 * be killed for gettid(2). */
#ifndef PA_HOST_TID_H
#define PA_HOST_TID_H

#include <stdbool.h>
#include <sys/types.h>

/* Finds out where libc keeps the id. Constructor only; before, pa_tid_self makes the call. */
void pa_tid_init(void);

/* Signal-safe. */
pid_t pa_tid_self(void);

/* Whether the main thread has ended, by whatever means: the kernel clears the id that libc keeps
 * (set_tid_address(2)). False where that place is not known. Agent thread only. */
bool pa_tid_main_ended(void);

/* In a forked child, whose only thread is the main one. */
void pa_tid_fork_child(void);

#endif
