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
	const char *prefix;                  /* "/debug/pprof": leading slash, none at the end */
	const char *user, *password, *token; /* "" : not set */
	uint32_t cpu_rate;                   /* Hz */
	const char *cpu_engine;              /* "auto", "timer", "perf" */
	const char *unwinder;                /* "table", "libunwind" */
	uint32_t max_seconds;
	const char *include, *exclude; /* comma-separated globs over the program's name */
	uint64_t memory_limit;         /* bytes */
	int log_level;                 /* enum pa_log_level */
	const char *log_file;          /* "" : stderr */
};

/* Reads the environment once, in the constructor, before other threads exist. Each bad value
 * gives one line on stderr and leaves the default. Copies strings: environ may change later. */
void pa_config_load(char *const *environ_block);

/* The settings in force. Any thread. */
const struct pa_config *pa_config(void);

/* Whether the program called `name` is to be profiled: include and exclude globs, and the list of
 * wrappers that stay asleep (sh, env, timeout ...). Any thread. */
bool pa_config_wants_program(const char *name);

/* Writes the table of variables as GitHub Markdown. */
void pa_config_describe(struct pa_sink *out);

#endif
