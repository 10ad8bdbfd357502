/* SPDX-License-Identifier: Apache-2.0
 * Starts a helper program that the host does not notice: no SIGCHLD, nothing for its wait(). */
#ifndef PA_BASE_SPAWN_H
#define PA_BASE_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include "agent/base/compiler.h"

struct pa_launch;

struct pa_child {
	pid_t pid;
	uint64_t started; /* tells it from a later process with that pid; 0: unknown */
	/* Where it is no orphan: its parent, to be reaped, and what that one works with. */
	pid_t keeper;
	struct pa_launch *launch;
};

/* Runs the program at `path` with descriptor `fd` as its standard input, /dev/null as output and
 * error, nothing else open, all signals blocked, a session of its own and / as directory. 0 or
 * -errno, also of the exec. Agent thread only. */
int pa_child_spawn(const char *path, char *const argv[], char *const envp[], int fd,
		   struct pa_child *ret) PA_CHECKED;

/* Ends it (SIGKILL; one that has ended already is fine) and frees what it took. */
void pa_child_end(struct pa_child *c);

/* In a forked child, whose child it is not: frees what it took here. */
void pa_child_fork_child(struct pa_child *c);

#endif
