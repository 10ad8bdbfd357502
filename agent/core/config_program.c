/* SPDX-License-Identifier: Apache-2.0
 * Which programs of a process tree get an agent. A start script passes LD_PRELOAD to everything it
 * runs; the port belongs to the service, not to its shell. */
#include <string.h>

#include "agent/base/parse.h"
#include "agent/core/config.h"

/* Programs whose only work is to start another or to wait for it. */
/* clang-format off */
static const char *const wrappers[] = {
	"ash", "bash", "busybox", "bwrap", "catatonit", "chpst", "chroot", "chrt", "csh", "daemonize",
	"dash", "doas", "docker-init", "dumb-init", "env", "fakeroot", "fish", "flock", "gdb",
	"gosu", "ionice", "ksh", "ltrace", "mksh", "nice", "nohup", "nsenter", "numactl", "perf",
	"prlimit", "runsv", "runsvdir", "runuser", "script", "setarch", "setpriv", "setsid",
	"sh", "start-stop-daemon", "stdbuf", "strace", "su", "su-exec", "sudo", "supervise",
	"systemd-run", "taskset", "tcsh", "time", "timeout", "tini", "tini-static", "unshare",
	"watch", "xargs", "yash", "zsh",
};
/* clang-format on */

/* Whether one of the comma-separated globs matches. Blanks around them do not count. */
static bool any_matches(const char *globs, const char *name)
{
	while (*globs) {
		size_t len = strcspn(globs, ","), skip = strspn(globs, " ");
		const char *glob = globs + PA_MIN(skip, len);
		size_t glob_len = len - (size_t)(glob - globs);

		while (glob_len && glob[glob_len - 1] == ' ')
			glob_len--;
		if (glob_len && pa_glob_match(glob, glob_len, name))
			return true;
		globs += len + (globs[len] == ',');
	}
	return false;
}

static bool is_wrapper(const char *name)
{
	for (size_t i = 0; i < PA_ARRAY_LEN(wrappers); i++)
		if (!strcmp(wrappers[i], name))
			return true;
	return false;
}

bool pa_config_wants_program(const char *name)
{
	const struct pa_config *cfg = pa_config();
	const char *slash = strrchr(name, '/');

	if (slash)
		name = slash + 1;
	else if (*name == '-')
		name++; /* login(1) marks shells so */
	if (any_matches(cfg->exclude, name))
		return false;
	if (*cfg->include)
		return any_matches(cfg->include, name);
	return !is_wrapper(name);
}
