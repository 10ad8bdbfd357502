/* SPDX-License-Identifier: Apache-2.0
 * Every variable: default, good values, bad values with their line, and what must not leak. */
#include "test/tap.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/log.h"
#include "agent/base/sink.h"
#include "agent/core/config.h"

static char dir[] = "/tmp/profagent-config-XXXXXX";
static char log_path[64], log_env[96];

static const char *log_text(void)
{
	static char text[65536];
	int fd = open(log_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	close(fd);
	return text;
}

static int log_lines(void)
{
	int n = 0;

	for (const char *at = log_text(); (at = strchr(at, '\n')); at++)
		n++;
	return n;
}

/* Loads these variables (NULL: none), with the log going to a fresh file. */
static const struct pa_config *load_as(const char *program, const char *a, const char *b,
				       const char *c)
{
	static char copies[3][2048];
	const char *given[] = {a, b, c};
	char *env[5] = {log_env};
	int n = 1;

	unlink(log_path);
	for (int i = 0; i < 3; i++) {
		if (!given[i])
			continue;
		snprintf(copies[i], sizeof(copies[i]), "%s", given[i]);
		env[n++] = copies[i];
	}
	pa_config_load(env, program);
	memset(copies, 'x', sizeof(copies)); /* the host may change its environment */
	return pa_config();
}

static const struct pa_config *load(const char *a, const char *b, const char *c)
{
	return load_as(NULL, a, b, c);
}

static void check_defaults(void)
{
	const struct pa_config *c = load(NULL, NULL, NULL);

	ok(c->enabled, "enabled");
	is_int(c->port, 6060, "port");
	is_str(c->host, "127.0.0.1", "host");
	is_str(c->prefix, "/debug/pprof", "prefix");
	ok(!*c->user && !*c->password && !*c->token && !c->auth_failed, "no credentials");
	is_int(c->cpu_rate, 100, "CPU rate");
	is_str(c->cpu_engine, "auto", "engine");
	is_str(c->unwinder, "table", "unwinder");
	is_int(c->mem_rate, 524288, "heap rate");
	is_int(c->block_rate, 0, "block rate");
	is_int(c->mutex_fraction, 0, "mutex fraction");
	is_int(c->max_seconds, 300, "longest window");
	ok(!*c->include && !*c->exclude && !*c->runtime_dir, "globs and directory");
	is_int(c->memory_limit, 64 << 20, "memory");
	is_int(c->log_level, PA_LOG_WARN, "log level");
	is_int(log_lines(), 0, "nothing to say");
	pa_config_load(NULL, NULL);
	ok(pa_config()->enabled && pa_config()->port == 6060, "no environment at all");
}

static void check_good(void)
{
	ok(!load("PPROF_ENABLED=false", NULL, NULL)->enabled, "false");
	ok(!load("PPROF_ENABLED=0", NULL, NULL)->enabled, "0");
	ok(!load("APP_ENVIRONMENT=production", NULL, NULL)->enabled, "production");
	ok(load("APP_ENVIRONMENT=staging", NULL, NULL)->enabled, "another environment");
	ok(load("APP_ENVIRONMENT=production", "PPROF_ENABLED=true", NULL)->enabled,
	   "production, but asked for");
	is_int(load("PPROF_PORT=0", NULL, NULL)->port, 0, "any port");
	is_int(load("PPROF_PORT=65535", NULL, NULL)->port, 65535, "highest port");
	is_int(load("PPROF_PORT=", NULL, NULL)->port, 6060, "empty is not set");
	is_int(load("PPROF_PORT=1", "PPROF_PORT=2", NULL)->port, 1, "the first of two, as getenv");
	is_int(load("PPROF_PORTS=1", "XPPROF_PORT=2", NULL)->port, 6060, "similar names");
	is_str(load("PPROF_HOST=::1", NULL, NULL)->host, "::1", "IPv6");
	is_str(load("PPROF_HOST=*", NULL, NULL)->host, "*", "all");
	is_str(load("PPROF_HOST=localhost", NULL, NULL)->host, "localhost", "localhost");
	is_str(load("PPROF_PREFIX=/x/y.z-1_~/", NULL, NULL)->prefix, "/x/y.z-1_~", "prefix");
	is_str(load("PPROF_PREFIX=/", NULL, NULL)->prefix, "", "root");
	is_str(load("PPROF_PREFIX=/...", NULL, NULL)->prefix, "/...", "three dots are a name");
	is_int(load("CPU_PROFILE_RATE=10000", NULL, NULL)->cpu_rate, 10000, "rate");
	is_str(load("PPROF_CPU_ENGINE=perf", NULL, NULL)->cpu_engine, "perf", "engine");
	is_str(load("PPROF_UNWINDER=libunwind", NULL, NULL)->unwinder, "libunwind", "unwinder");
	is_int(load("MEM_PROFILE_RATE=512k", NULL, NULL)->mem_rate, 512 << 10, "heap rate");
	is_int(load("MEM_PROFILE_RATE=0", NULL, NULL)->mem_rate, 0, "heap off");
	is_int(load("BLOCK_PROFILE_RATE=1", NULL, NULL)->block_rate, 1, "block rate");
	is_int(load("MUTEX_PROFILE_FRACTION=5", NULL, NULL)->mutex_fraction, 5, "mutex fraction");
	is_int(load("PPROF_MAX_SECONDS=86400", NULL, NULL)->max_seconds, 86400, "a day");
	is_int(load("PPROF_MEMORY_LIMIT=1g", NULL, NULL)->memory_limit, 1 << 30, "memory");
	is_str(load("PPROF_RUNTIME_DIR=/run/x", NULL, NULL)->runtime_dir, "/run/x", "directory");
	is_int(load("PPROF_LOG=debug", NULL, NULL)->log_level, PA_LOG_DEBUG, "log level");
	is_int(load("PPROF_LOG=off", NULL, NULL)->log_level, PA_LOG_OFF, "no log");
	is_str(load(NULL, NULL, NULL)->log_file, log_path, "log file");
	is_int(log_lines(), 0, "nothing to say about good values");
}

static void check_relative_path(void)
{
	char cwd[PATH_MAX], want[PATH_MAX + 16];
	char *env[] = {(char[]){"PPROF_LOG_FILE=a.log"}, NULL};

	if (!getcwd(cwd, sizeof(cwd)) || chdir(dir))
		abort();
	pa_config_load(env, NULL);
	snprintf(want, sizeof(want), "%s/a.log", dir);
	is_str(pa_config()->log_file, want, "a relative path is made absolute at once");
	if (chdir(cwd))
		abort();
}

static const struct {
	const char *env, *shown;
} bad[] = {
	{"PPROF_ENABLED=maybe",
	 "PPROF_ENABLED=\"maybe\" is not valid (accepted: true or false); using true"},
	{"PPROF_PORT=65536",
	 "PPROF_PORT=\"65536\" is not valid (accepted: 0 to 65535); using 6060"},
	{"PPROF_PORT=-1", "PPROF_PORT=\"-1\""},
	{"PPROF_PORT=80 ", "PPROF_PORT=\"80 \""},
	{"PPROF_PORT=http", "PPROF_PORT=\"http\""},
	{"PPROF_PORT=99999999999999999999", "using 6060"},
	{"PPROF_HOST=example.org",
	 "(accepted: a numeric IPv4 or IPv6 address, localhost or * for all); using 127.0.0.1"},
	{"PPROF_HOST=127.0.0", "PPROF_HOST"},
	{"PPROF_HOST=[::1]", "PPROF_HOST"},
	{"PPROF_PREFIX=debug", "(accepted: a path such as /debug/pprof"},
	{"PPROF_PREFIX=/a//b", "PPROF_PREFIX"},
	{"PPROF_PREFIX=/a/../b", "PPROF_PREFIX"},
	{"PPROF_PREFIX=/a/.", "PPROF_PREFIX"},
	{"PPROF_PREFIX=//", "PPROF_PREFIX"},
	{"PPROF_PREFIX=/a b", "PPROF_PREFIX"},
	{"PPROF_PREFIX=/a?b", "PPROF_PREFIX"},
	{"PPROF_PREFIX=/%61", "PPROF_PREFIX"},
	{"CPU_PROFILE_RATE=0", "(accepted: 1 to 10000); using 100"},
	{"CPU_PROFILE_RATE=10001", "CPU_PROFILE_RATE"},
	{"CPU_PROFILE_RATE=1e3", "CPU_PROFILE_RATE"},
	{"PPROF_CPU_ENGINE=Timer", "(accepted: auto, timer, perf); using auto"},
	{"PPROF_CPU_ENGINE=auto, timer", "PPROF_CPU_ENGINE"},
	{"PPROF_CPU_ENGINE=,", "PPROF_CPU_ENGINE"},
	{"PPROF_UNWINDER=gdb", "(accepted: table, libunwind); using table"},
	{"MEM_PROFILE_RATE=-1", "MEM_PROFILE_RATE"},
	{"MEM_PROFILE_RATE=2000g", "MEM_PROFILE_RATE"},
	{"BLOCK_PROFILE_RATE=x", "BLOCK_PROFILE_RATE"},
	{"MUTEX_PROFILE_FRACTION=2147483648", "MUTEX_PROFILE_FRACTION"},
	{"PPROF_MAX_SECONDS=0", "(accepted: 1 to 86400); using 300"},
	{"PPROF_MEMORY_LIMIT=64", "(accepted: 1m to 1024g, units k m g); using 64m"},
	{"PPROF_MEMORY_LIMIT=64q", "PPROF_MEMORY_LIMIT"},
	{"PPROF_LOG=loud", "(accepted: off, warn, info, debug); using warn"},
	{"PPROF_PORT=a\nb\x1b[1m", "PPROF_PORT=\"a?b?[1m\""},
	{"PPROF_PORT=0123456789012345678901234567890123456789012345678901234567890123456789",
	 "789...\""},
};

static void check_bad(void)
{
	const struct pa_config *c;

	for (size_t i = 0; i < PA_ARRAY_LEN(bad); i++) {
		c = load(bad[i].env, NULL, NULL);
		ok(strstr(log_text(), bad[i].shown), "%s: says so", bad[i].env);
		/* The sample with a line end in it must not make two lines of one. */
		is_int(log_lines(), 1, "... in one line");
	}
	ok(c->enabled && c->port == 6060, "the defaults are in force");
	load("APP_ENVIRONMENT=production", "PPROF_ENABLED=maybe", NULL);
	ok(strstr(log_text(), "using false"), "a bad switch in production leaves it off");
	load("PPROF_PORT=x", "CPU_PROFILE_RATE=x", "PPROF_LOG=x");
	is_int(log_lines(), 3, "one line for each bad value");
	load("PPROF_PORT=x", "PPROF_LOG=off", NULL);
	is_int(log_lines(), 0, "none with the log off");
	load("PPROF_PORT=x", "PPROF_ENABLED=false", NULL);
	is_int(log_lines(), 0, "none when the agent is off");
}

static void put_file(const char *name, const char *text, char *ret_env, size_t size,
		     const char *variable)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
	snprintf(ret_env, size, "%s=%s", variable, path);
}

static void check_secrets(void)
{
	char env[256], long_text[1200];
	const struct pa_config *c = load("PPROF_USER=u", "PPROF_PASSWORD=p w", "PPROF_TOKEN=t");

	ok(!strcmp(c->user, "u") && !strcmp(c->password, "p w") && !strcmp(c->token, "t"),
	   "credentials");
	is_int(log_lines(), 0, "... silently");
	put_file("secret", "from file\r\n", env, sizeof(env), "PPROF_PASSWORD_FILE");
	c = load(env, NULL, NULL);
	is_str(c->password, "from file", "a password from a file, without the line's end");
	c = load(env, "PPROF_PASSWORD=direct", NULL);
	is_str(c->password, "direct", "the variable itself counts more");
	put_file("secret", "tok", env, sizeof(env), "PPROF_TOKEN_FILE");
	is_str(load(env, NULL, NULL)->token, "tok", "a token from a file");
	put_file("secret", "me\n", env, sizeof(env), "PPROF_USER_FILE");
	is_str(load(env, "PPROF_PASSWORD=p", NULL)->user, "me", "a user from a file");

	c = load("PPROF_PASSWORD_FILE=/nonexistent/x", NULL, NULL);
	ok(c->auth_failed &&
		   strstr(log_text(), "PPROF_PASSWORD_FILE=\"/nonexistent/x\" cannot be read"),
	   "a file that is not there keeps the door shut");
	put_file("empty", "\n", env, sizeof(env), "PPROF_TOKEN_FILE");
	ok(load(env, NULL, NULL)->auth_failed, "an empty one too");
	memset(long_text, 'a', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	put_file("long", long_text, env, sizeof(env), "PPROF_TOKEN_FILE");
	ok(load(env, NULL, NULL)->auth_failed, "one that would be cut too");
	is_int(log_lines(), 1, "... one line");
	memcpy(long_text, "PPROF_TOKEN=", 12);
	ok(load(long_text, NULL, NULL)->auth_failed, "a secret that no request could carry");
	ok(!strstr(log_text(), "aaaa"), "no secret in the log");
	snprintf(env, sizeof(env), "PPROF_TOKEN_FILE=%s", dir);
	ok(load(env, NULL, NULL)->auth_failed, "a directory");
	load("PPROF_USER=u", NULL, NULL);
	ok(strstr(log_text(), "PPROF_USER has no effect without PPROF_PASSWORD"), "a user alone");
}

static void check_programs(void)
{
	static const char *const asleep[] = {"sh",   "bash",         "/bin/dash", "-bash",
					     "env",  "timeout",      "tini",      "xargs",
					     "sudo", "/usr/bin/nice"};
	static const char *const awake[] = {"redis-server", "nginx", "python3.11",
					    "shell",        "",      "-"};
	const struct pa_config *c;

	load(NULL, NULL, NULL);
	for (size_t i = 0; i < PA_ARRAY_LEN(asleep); i++)
		ok(!pa_config_wants_program(asleep[i]), "%s stays asleep", asleep[i]);
	for (size_t i = 0; i < PA_ARRAY_LEN(awake); i++)
		ok(pa_config_wants_program(awake[i]), "\"%s\" is profiled", awake[i]);
	load("PPROF_EXCLUDE=redis-*, nginx ,", NULL, NULL);
	ok(!pa_config_wants_program("redis-server") && !pa_config_wants_program("nginx"),
	   "excluded");
	ok(pa_config_wants_program("redis") && pa_config_wants_program("nginx2"), "not excluded");
	ok(!pa_config_wants_program("sh"), "... nor are wrappers now wanted");
	load("PPROF_INCLUDE=my[0-9]?,sh", "PPROF_EXCLUDE=my99", NULL);
	ok(pa_config_wants_program("my1x") && pa_config_wants_program("sh"), "included");
	ok(!pa_config_wants_program("nginx") && !pa_config_wants_program("my1"), "not included");
	ok(!pa_config_wants_program("my99"), "exclusion counts more");
	c = load_as("/bin/sh", "PPROF_PORT=x", "CPU_PROFILE_RATE=7", NULL);
	is_int(log_lines(), 0, "a wrapper does not complain");
	is_int(c->cpu_rate, 100, "... and reads no further");
	c = load_as("redis-server", "PPROF_PORT=x", "CPU_PROFILE_RATE=7", NULL);
	ok(log_lines() == 1 && c->cpu_rate == 7, "a program does");
}

static void check_description(void)
{
	static const char *const names[] = {
		"APP_ENVIRONMENT",
		"PPROF_ENABLED",
		"PPROF_PORT",
		"PPROF_HOST",
		"PPROF_PREFIX",
		"PPROF_USER",
		"PPROF_PASSWORD",
		"PPROF_TOKEN",
		"CPU_PROFILE_RATE",
		"PPROF_CPU_ENGINE",
		"MEM_PROFILE_RATE",
		"BLOCK_PROFILE_RATE",
		"MUTEX_PROFILE_FRACTION",
		"PPROF_MAX_SECONDS",
		"PPROF_INCLUDE",
		"PPROF_EXCLUDE",
		"PPROF_RUNTIME_DIR",
		"PPROF_MEMORY_LIMIT",
		"PPROF_LOG",
		"PPROF_LOG_FILE",
		"PPROF_UNWINDER",
	};
	struct pa_sink_mem m;
	char row[64];

	pa_sink_mem_init(&m, 1 << 20);
	pa_config_describe(&m.sink);
	pa_sink_write(&m.sink, "", 1);
	for (size_t i = 0; i < PA_ARRAY_LEN(names); i++) {
		snprintf(row, sizeof(row), "\n| %s | ", names[i]);
		ok(!m.sink.error && strstr(m.buf, row), "%s is described", names[i]);
	}
	pa_sink_mem_done(&m);
}

/* A copy of this program that runs with another user's rights must read nothing. */
static void check_setuid(const char *self)
{
	char copy[128], command[PATH_MAX];
	int status;

	if (geteuid() != 0)
		return;
	snprintf(copy, sizeof(copy), "%s/setuid", dir);
	snprintf(command, sizeof(command),
		 "chmod 755 %s && cp '%s' %s && chown 65534 %s && chmod 4755 %s && "
		 "PPROF_PORT=7 %s --setuid",
		 dir, self, copy, copy, copy, copy);
	status = system(command);
	unlink(copy);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 3) {
		printf("# set-user-ID has no effect in %s\n", dir);
		return;
	}
	is_int(status, 0, "a setuid program reads no settings and is off");
}

static int setuid_main(void)
{
	if (geteuid() == getuid())
		return 3;
	pa_config_load(environ, NULL);
	return !(!pa_config()->enabled && pa_config()->port == 6060);
}

int main(int argc, char **argv)
{
	char command[96];

	if (argc > 1 && !strcmp(argv[1], "--setuid"))
		_exit(setuid_main()); /* a leak checker at exit does not work with other rights */
	if (!mkdtemp(dir))
		abort();
	snprintf(log_path, sizeof(log_path), "%s/log", dir);
	snprintf(log_env, sizeof(log_env), "PPROF_LOG_FILE=%s", log_path);
	ok(!pa_config()->enabled, "off before anything was read");
	check_defaults();
	check_good();
	check_relative_path();
	check_bad();
	check_secrets();
	check_programs();
	check_description();
	check_setuid(argv[0]);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) ? 1 : tap_done();
}
