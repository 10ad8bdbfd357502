/* SPDX-License-Identifier: Apache-2.0
 * Work on hostile files that may fail in the middle: a file that is truncated while it is mapped
 * (SIGBUS), a fault inside libdw, memory at its limit, too much time. */
#ifndef PA_SYMBOLIZE_GUARD_H
#define PA_SYMBOLIZE_GUARD_H

#include <stdbool.h>

#include "agent/base/compiler.h"

/* Once, at the start: handlers, on a stack of their own. */
void pa_dbg_guard_setup(void);

/* Runs the job. 0; -EFAULT or -ENOMEM when it did not return, and what it had allocated is lost.
 * Not nested. `cpu_ms` is what pa_dbg_late() goes by. */
int pa_dbg_guard(void (*job)(void *arg), void *arg, unsigned cpu_ms) PA_CHECKED;

/* The job goes on without something that it had no memory for; pa_dbg_guard returns -ENOMEM. */
void pa_dbg_guard_lacked_memory(void);

/* Gives up the job that runs; ends the process outside of one. */
__attribute__((noreturn)) void pa_dbg_guard_throw(int error);

/* Whether the job has used up its time: loops ask, and end early. Cheap enough to ask each turn. */
bool pa_dbg_late(void);

/* All jobs together may use this much more from now on. */
void pa_dbg_budget_begin(unsigned cpu_ms);

/* Whether nothing is left for more of them. */
bool pa_dbg_budget_over(void);

/* Ends the process when it is not called again within this time (0: no limit). For loops inside
 * libdw, where nobody asks. */
void pa_dbg_watchdog(unsigned seconds);

#endif
