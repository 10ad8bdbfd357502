/* SPDX-License-Identifier: Apache-2.0
 * What happens in a forked child. fork(2) copies one thread only: locks held by others stay
 * held, descriptors are shared, timers and perf rings are gone. */
#ifndef PA_HOST_FORK_H
#define PA_HOST_FORK_H

#include "agent/base/compiler.h"

struct pa_fork_events {
	/* In the child, from libc's fork handlers, before those of libraries that were loaded
	 * later (an allocator's, say): only forget, allocate nothing, start nothing. */
	void (*forget)(void);
	/* In the child, when fork, daemon or forkpty is about to return: may start threads. */
	void (*begin)(void);
};

/* Constructor only. 0 or -errno. */
int pa_fork_init(const struct pa_fork_events *events) PA_CHECKED;

/* For hook_fork.c: the calling process is a new child. errno is kept. */
void pa_fork_begin(void);

#endif
