/* SPDX-License-Identifier: Apache-2.0
 * The table of environment variables and the settings made of it. */
#include "agent/core/config.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/auxv.h>

#include "agent/base/arena.h"
#include "agent/base/file.h"
#include "agent/base/fmt.h"
#include "agent/base/log.h"
#include "agent/base/sink.h"
#include "agent/core/config_table.h"

#define FIELD(name) offsetof(struct pa_config, name)

static const struct pa_config defaults = {
	.enabled = true,
	.port = 6060,
	.host = "127.0.0.1",
	.prefix = "/debug/pprof",
	.user = "",
	.password = "",
	.token = "",
	.cpu_rate = 100,
	.cpu_engine = "auto",
	.unwinder = "table",
	.symbolize = "lines",
	.mem_rate = 512 << 10,
	.max_seconds = 300,
	.include = "",
	.exclude = "",
	.runtime_dir = "",
	.memory_limit = 64 << 20,
	.log_level = PA_LOG_WARN,
	.log_file = "",
};

/* Rows that say where the log goes and whether there is one come first. */
static const struct pa_config_row rows[] = {
	{"PPROF_LOG_FILE", "stderr", "file that log lines are appended to", "a path",
	 PA_CONFIG_PATH, FIELD(log_file), 0, 0},
	{"PPROF_LOG", "warn", "what goes to the log: nothing, what is wrong, also requests, all",
	 "off, warn, info, debug", PA_CONFIG_LEVEL, FIELD(log_level), 0, 0},
	{"APP_ENVIRONMENT", "", "`production` turns the default of PPROF_ENABLED to `false`", NULL,
	 PA_CONFIG_READ_BY, 0, 0, 0},
	{"PPROF_ENABLED", "true", "`false`: the agent does nothing at all", "true or false",
	 PA_CONFIG_BOOL, FIELD(enabled), 0, 0},
	{"PPROF_INCLUDE", "",
	 "programs to profile, others are left alone: comma-separated globs over the name", NULL,
	 PA_CONFIG_TEXT, FIELD(include), 0, 0},
	{"PPROF_EXCLUDE", "", "programs to leave alone, besides shells and wrappers", NULL,
	 PA_CONFIG_TEXT, FIELD(exclude), 0, 0},
	{"PPROF_PORT", "6060", "TCP port; `0` takes any free one and logs it at level info",
	 "0 to 65535", PA_CONFIG_PORT, FIELD(port), 0, 65535},
	{"PPROF_HOST", "127.0.0.1",
	 "address to listen on; one that is not loopback needs a password or token",
	 "a numeric IPv4 or IPv6 address, localhost or * for all", PA_CONFIG_HOST, FIELD(host), 0,
	 0},
	{"PPROF_PREFIX", "/debug/pprof", "path that the endpoints are below",
	 "a path such as /debug/pprof, of letters, digits and . _ ~ -", PA_CONFIG_PREFIX,
	 FIELD(prefix), 0, 0},
	{"PPROF_USER", "", "user for basic authentication (empty: any); also PPROF_USER_FILE", NULL,
	 PA_CONFIG_SECRET, FIELD(user), 0, 0},
	{"PPROF_PASSWORD", "", "password; also PPROF_PASSWORD_FILE, which names a file", NULL,
	 PA_CONFIG_SECRET, FIELD(password), 0, 0},
	{"PPROF_TOKEN", "", "bearer token, also good as a password; also PPROF_TOKEN_FILE", NULL,
	 PA_CONFIG_SECRET, FIELD(token), 0, 0},
	{"CPU_PROFILE_RATE", "100", "CPU samples a second", "1 to 10000", PA_CONFIG_U32,
	 FIELD(cpu_rate), 1, 10000},
	{"PPROF_CPU_ENGINE", "auto", "how CPU time is sampled: thread timers or perf events",
	 "auto, timer, perf", PA_CONFIG_CHOICE, FIELD(cpu_engine), 0, 0},
	{"PPROF_UNWINDER", "table", "who walks copied stacks; `libunwind` is for checking ours",
	 "table, libunwind", PA_CONFIG_CHOICE, FIELD(unwinder), 0, 0},
	{"PPROF_SYMBOLIZE", "lines",
	 "what profiles say about code: addresses, names of functions, also files, lines and "
	 "inlined functions; a request's `?symbolize=` comes first",
	 "none, names, lines", PA_CONFIG_CHOICE, FIELD(symbolize), 0, 0},
	{"MEM_PROFILE_RATE", "524288",
	 "mean bytes between heap samples; `1` is every allocation, `0` is off (for the "
	 "heap profile to come)",
	 "0 to 1099511627776 bytes, units k m g", PA_CONFIG_SIZE, FIELD(mem_rate), 0, 1ull << 40},
	{"BLOCK_PROFILE_RATE", "0",
	 "ns of blocking per block sample; `1` is every event, `0` off (for the block profile "
	 "to come)",
	 "0 to 9223372036854775807", PA_CONFIG_SIZE, FIELD(block_rate), 0, INT64_MAX},
	{"MUTEX_PROFILE_FRACTION", "0",
	 "one in so many contended locks is sampled; `0` is off (for the mutex profile to come)",
	 "0 to 2147483647", PA_CONFIG_U32, FIELD(mutex_fraction), 0, INT32_MAX},
	{"PPROF_MAX_SECONDS", "300", "longest profile that may be asked for", "1 to 86400",
	 PA_CONFIG_U32, FIELD(max_seconds), 1, 86400},
	{"PPROF_RUNTIME_DIR", "",
	 "directory for sockets, private to the user, empty: chosen (for process trees, to come)",
	 "a path", PA_CONFIG_PATH, FIELD(runtime_dir), 0, 0},
	{"PPROF_MEMORY_LIMIT", "64m", "most memory that the agent takes, in bytes",
	 "1m to 1024g, units k m g", PA_CONFIG_SIZE, FIELD(memory_limit), 1 << 20, 1ull << 40},
};

static struct pa_config settings = {
	.enabled = false, /* until the environment has been read */
	.host = "127.0.0.1",
	.prefix = "/debug/pprof",
	.user = "",
	.password = "",
	.token = "",
	.cpu_engine = "auto",
	.unwinder = "table",
	.symbolize = "lines",
	.include = "",
	.exclude = "",
	.runtime_dir = "",
	.log_file = "",
};
static struct pa_arena strings;

const struct pa_config *pa_config(void)
{
	return &settings;
}

/* First NAME or NAME_FILE of the environment, as getenv; NULL when it is not set or empty. */
static const char *lookup(char *const *env, const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	for (; env && *env; env++)
		if (!strncmp(*env, name, n) && !strncmp(*env + n, suffix, m) &&
		    (*env)[n + m] == '=')
			return (*env)[n + m + 1] ? *env + n + m + 1 : NULL;
	return NULL;
}

/* A value as it may stand in a log line. */
static const char *printable(const char *text, char out[64])
{
	size_t i;

	for (i = 0; i < 63 && text[i]; i++)
		out[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
	out[i] = '\0';
	if (text[i])
		memcpy(out + 60, "...", 4);
	return out;
}

static bool is_string(enum pa_config_kind kind)
{
	return kind == PA_CONFIG_CHOICE || kind == PA_CONFIG_HOST || kind == PA_CONFIG_PREFIX ||
	       kind == PA_CONFIG_TEXT || kind == PA_CONFIG_PATH || kind == PA_CONFIG_SECRET;
}

/* Gives the string that a row was set to a home of its own. Without memory, the default. */
static void keep_string(const struct pa_config_row *row, struct pa_config *cfg)
{
	const char **field = (const char **)((char *)cfg + row->offset);
	char *copy = pa_arena_strndup(&strings, *field, strlen(*field));

	if (copy)
		*field = copy;
	else
		*field = *(const char *const *)((const char *)&defaults + row->offset);
}

/* The credential in the file that `path` names, into buf; false, said, when it is not usable. */
static bool read_secret(const struct pa_config_row *row, const char *path, char *buf, size_t size)
{
	ssize_t len = pa_file_read_small(path, buf, size);
	char shown[64];

	if (len < 0) {
		pa_warn("%s_FILE=\"%s\" cannot be read: %s; not listening", row->name,
			printable(path, shown), pa_errno_text((int)len));
		return false;
	}
	while (len && strchr("\r\n", buf[len - 1]))
		len--;
	buf[len] = '\0';
	if (len && (size_t)len < size - 2 && !memchr(buf, '\0', (size_t)len))
		return true;
	pa_warn("%s_FILE=\"%s\" is not usable (accepted: a file with one line of up to 1000 "
		"bytes); not listening",
		row->name, printable(path, shown));
	return false;
}

/* A credential that was asked for and cannot be had must not leave the door open. */
static void load_secret(const struct pa_config_row *row, char *const *env, struct pa_config *cfg)
{
	const char **field = (const char **)((char *)cfg + row->offset);
	const char *path = lookup(env, row->name, "_FILE");
	char buf[1024];

	if (path && !lookup(env, row->name, "")) {
		if (read_secret(row, path, buf, sizeof(buf)))
			*field = buf;
		else
			cfg->auth_failed = true;
	} else {
		const char *text = lookup(env, row->name, "");

		if (!text)
			return;
		*field = text;
	}
	if (strlen(*field) > 1000) {
		pa_warn("%s is too long (accepted: up to 1000 bytes); not listening", row->name);
		cfg->auth_failed = true;
	}
	keep_string(row, cfg);
	if (!**field)
		cfg->auth_failed = true;
}

static void load_row(const struct pa_config_row *row, char *const *env, struct pa_config *cfg)
{
	const char *text = lookup(env, row->name, "");
	char scratch[PA_CONFIG_SCRATCH], shown[64];

	if (row->kind == PA_CONFIG_SECRET) {
		load_secret(row, env, cfg);
		return;
	}
	if (!text)
		return;
	if (pa_config_parse(row, text, cfg, scratch) == 0) {
		if (is_string(row->kind))
			keep_string(row, cfg);
		return;
	}
	pa_warn("%s=\"%s\" is not valid (accepted: %s); using %s", row->name,
		printable(text, shown), row->accepted,
		row->kind == PA_CONFIG_BOOL ? (cfg->enabled ? "true" : "false") : row->fallback);
}

static bool is_row(const struct pa_config_row *row, const char *name)
{
	return !strcmp(row->name, name);
}

static void load(char *const *env, const char *program, struct pa_config *cfg)
{
	const char *app = lookup(env, "APP_ENVIRONMENT", "");

	cfg->enabled = !(app && !strcasecmp(app, "production"));
	for (size_t i = 0; i < PA_ARRAY_LEN(rows); i++) {
		load_row(&rows[i], env, cfg);
		if (is_row(&rows[i], "PPROF_LOG_FILE") || is_row(&rows[i], "PPROF_LOG"))
			pa_log_setup((enum pa_log_level)cfg->log_level,
				     *cfg->log_file ? cfg->log_file : NULL);
		/* The rest would only cost the host's start-up time, and its lines come from
		 * each shell and wrapper of a process tree. */
		if (is_row(&rows[i], "PPROF_EXCLUDE") &&
		    (!cfg->enabled || (program && !pa_config_wants_program(program))))
			return;
	}
	if (*cfg->user && !*cfg->password && !cfg->auth_failed)
		pa_warn("PPROF_USER has no effect without PPROF_PASSWORD");
}

void pa_config_load(char *const *environ_block, const char *program)
{
	settings = defaults;
	pa_arena_done(&strings);
	if (getauxval(AT_SECURE)) {
		settings.enabled = false;
		return;
	}
	load(environ_block, program, &settings);
}

void pa_config_describe(struct pa_sink *out)
{
	pa_sink_puts(out, "| variable | default | meaning | accepted |\n|---|---|---|---|\n");
	for (size_t i = 0; i < PA_ARRAY_LEN(rows); i++) {
		const struct pa_config_row *row = &rows[i];

		pa_sink_printf(out, "| %s | %s | %s | %s |\n", row->name, row->fallback,
			       row->meaning, row->accepted ? row->accepted : "any text");
	}
}
