/* SPDX-License-Identifier: Apache-2.0
 * The process profagent-symbolize: where the program is, and how it is started and ended. */
#ifndef PA_SYMBOLS_SYMBOLIZER_START_H
#define PA_SYMBOLS_SYMBOLIZER_START_H

#include <stdbool.h>

#include "agent/base/compiler.h"
#include "agent/base/own_fd.h"
#include "agent/base/spawn.h"

struct pa_symbolizer_program {
	struct pa_own_fd sock; /* .fd -1: it does not run */
	/* All numbers that the pair of sockets, and the one before, have had, closed or not: fork(2)
	 * copies memory after descriptors, so a number could be forgotten in a child that has the
	 * descriptor. */
	struct pa_own_fd made[4], made_before[4];
	struct pa_child child;
	uid_t uid; /* whose it is */
	gid_t gid;
};
#define PA_SYMBOLIZER_NO_PROGRAM                                                                   \
	{                                                                                          \
		.sock = {.fd = -1 }                                                                \
	}

/* Constructor only: keeps in mind which root the library was loaded in. */
void pa_symbolizer_program_init(void);

/* Runs the program that lies beside this library, or in profagent/ there; *p is one that does not
 * run. -ENOENT also in another root than at the start: what lies there is not ours. 0 or -errno. */
int pa_symbolizer_program_start(struct pa_symbolizer_program *p) PA_CHECKED;

/* Whether it can be talked to: the host has not closed the socket, and has not got other privileges
 * than the program has. */
bool pa_symbolizer_program_usable(const struct pa_symbolizer_program *p);

void pa_symbolizer_program_end(struct pa_symbolizer_program *p);

/* In a forked child: lets go of the parent's. `stable`: nobody was at work on *p. */
void pa_symbolizer_program_fork_child(struct pa_symbolizer_program *p, bool stable);

#endif
