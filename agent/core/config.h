/* SPDX-License-Identifier: Apache-2.0
 * Settings from the environment. The table in config.c is the only list of variables: README and
 * doc are checked against it (scripts/check-env.sh, `profagent_env_table`). */
#ifndef PA_CORE_CONFIG_H
#define PA_CORE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct pa_sink;

struct pa_config {
	bool enabled;
	uint16_t port; /* 0: any free one */
	const char *host;
	const char *prefix;                  /* "/debug/pprof"; "" when it is the root */
	const char *user, *password, *token; /* "" : not set */
	bool auth_failed;                    /* credentials were asked for but are not usable */
	uint32_t cpu_rate;                   /* Hz */
	const char *cpu_engine;              /* "auto", "timer", "perf" */
	const char *unwinder;                /* "table", "libunwind" */
	const char *symbolize;               /* "none", "names", "lines" */
	uint64_t mem_rate;                   /* mean bytes between heap samples; 0: off */
	uint64_t block_rate;                 /* ns, 1: every event, 0: off */
	uint32_t mutex_fraction;             /* one in so many, 0: off */
	uint32_t max_seconds;
	const char *include, *exclude; /* comma-separated globs over the program's name */
	const char *runtime_dir;       /* "" : chosen by the agent */
	uint64_t memory_limit;         /* bytes */
	int log_level;                 /* enum pa_log_level */
	const char *log_file;          /* "" : stderr */
};

/* Reads the environment once, in the constructor, before other threads exist, and sets up the log.
 * Each bad value gives one line in the log and leaves the default. A `program` (may be NULL) that
 * is not to be profiled gets no further than that and stays silent. Copies strings: environ may change later. In programs that run with raised
 * rights (AT_SECURE: setuid, capabilities) nothing is read and the agent is off. */
void pa_config_load(char *const *environ_block, const char *program);

/* The settings in force. Any thread. */
const struct pa_config *pa_config(void);

/* Whether the program called `name` (a path or a login shell's "-sh" will do) is to be profiled:
 * PPROF_EXCLUDE, then PPROF_INCLUDE if it is set, else all but the wrappers that stay asleep (sh,
 * env, timeout ...). Any thread. */
bool pa_config_wants_program(const char *name);

/* Writes the table of variables as GitHub Markdown. */
void pa_config_describe(struct pa_sink *out);

#endif
