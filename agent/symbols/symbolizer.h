/* SPDX-License-Identifier: Apache-2.0
 * The agent's end of profagent-symbolize: starts it at first need, asks, takes the answers, ends it
 * when it is idle or stuck. Debug information is read over there only: a hostile or huge one can
 * neither crash this process nor grow it. */
#ifndef PA_SYMBOLS_SYMBOLIZER_H
#define PA_SYMBOLS_SYMBOLIZER_H

#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct pa_lines;

/* Addresses of one object. */
struct pa_symbolizer_query {
	int fd; /* its file, open; -1: it is only in memory, and separate debug files by build id */
	const char *build_id, *path; /* "" when unknown */
	const uint64_t *vaddrs;      /* ascending */
	size_t count;                /* up to PA_SYMBOLIZE_ADDRS */
};

/* Constructor only. */
void pa_symbolizer_init(void);

/* Adds what the program says to `lines`, nothing for addresses that it knows nothing about. 0;
 * -ETIMEDOUT at the deadline (CLOCK_MONOTONIC, ns), when what is left of the answer is taken by
 * later calls; why the program could not be started (-ENOENT ...), which is logged once; -EPIPE
 * when it ended at this object; -ECANCELED when the agent ends. Agent thread only; one conversation
 * at a time, others wait for it until their deadline. */
int pa_symbolizer_ask(const struct pa_symbolizer_query *q, struct pa_lines *lines,
		      uint64_t deadline) PA_CHECKED;

/* There are no more questions for now. Agent thread only. */
void pa_symbolizer_rest(void);

/* Takes what has arrived and ends a program that is idle. Agent thread only, once a second. */
void pa_symbolizer_round(void);

/* Whoever asks returns soon, and nobody can ask again. Any thread. */
void pa_symbolizer_stop(void);

/* The same, and ends the program. The agent's last thread. */
void pa_symbolizer_end(void);

/* In a forked child, single-threaded: the program stays the parent's. */
void pa_symbolizer_fork_child(void);

#endif
