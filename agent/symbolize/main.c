/* SPDX-License-Identifier: Apache-2.0
 * profagent-symbolize: reads debug information for the agent, in a process of its own. What is read
 * may be hostile: limits first. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/parse.h"
#include "agent/symbolize/command.h"
#include "agent/symbolize/find.h"
#include "agent/symbolize/guard.h"
#include "agent/symbolize/serve.h"

#define DATA_MAX  ((rlim_t)512 << 20)
#define TEXTS_MAX ((size_t)160 << 20) /* of one answer */

static void limit(int resource, rlim_t most)
{
	struct rlimit now;

	if (getrlimit(resource, &now) == 0 &&
	    (now.rlim_cur == RLIM_INFINITY || now.rlim_cur > most)) {
		now.rlim_cur = now.rlim_max = most;
		setrlimit(resource, &now);
	}
}

/* Each is of use without the others, and none is worth failing for. */
static void restrain(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		ssize_t ignored = write(fd, "1000", 4);

		(void)ignored;
		close(fd);
	}
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_DATA, DATA_MAX);
	setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 5);
	prctl(PR_SET_NAME, "profagent-symb");
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	pa_mem_limit_set(TEXTS_MAX);
	pa_dbg_guard_setup();
}

static int usage(FILE *f)
{
	fputs("profagent-symbolize [--debug-root DIR] -e FILE [ADDRESS...]\n"
	      "profagent-symbolize --help | --version\n"
	      "\n"
	      "Prints the functions and source lines of hexadecimal addresses, which are those of "
	      "the\n"
	      "file's program headers; without addresses they are read from standard input, one a "
	      "line.\n"
	      "For each address one line a function, innermost first:\n"
	      "\n"
	      "  function TAB linkage-name TAB file:line:column TAB first-line-of-function\n"
	      "\n"
	      "then an empty line. Separate debug files are searched below /usr/lib/debug, or "
	      "below DIR.\n"
	      "\n"
	      "The agent starts it without -e, with a socket as standard input. It ends when "
	      "nobody has\n"
	      "asked anything for 30 seconds, or as many as --idle says.\n",
	      f);
	return f == stdout ? 0 : 2;
}

static int talk(unsigned idle_s)
{
	int type;
	socklen_t size = sizeof(type);

	if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM)
		return usage(stderr);
	return pa_dbg_serve(STDIN_FILENO, idle_s);
}

int main(int argc, char **argv)
{
	const char *file = NULL;
	uint64_t idle_s = PA_DBG_IDLE_S;
	int at = 1;

	restrain();
	for (; at < argc && argv[at][0] == '-'; at += 2) {
		const char *value = at + 1 < argc ? argv[at + 1] : NULL;

		if (!strcmp(argv[at], "--help"))
			return usage(stdout);
		if (!strcmp(argv[at], "--version"))
			return puts("profagent-symbolize " PA_VERSION) < 0;
		if (value && !strcmp(argv[at], "-e"))
			file = value;
		else if (value && !strcmp(argv[at], "--debug-root"))
			pa_dbg_find_root_set(value);
		else if (!value || strcmp(argv[at], "--idle") != 0 ||
			 pa_parse_u64(value, strlen(value), 10, &idle_s) < 0 || idle_s > 3600)
			return usage(stderr);
	}
	if (file)
		return pa_dbg_command(file, argv + at, argc - at);
	return at < argc ? usage(stderr) : talk((unsigned)idle_s);
}
