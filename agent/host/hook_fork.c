/* SPDX-License-Identifier: Apache-2.0
 * The calls after which a child lives on without exec. vfork, posix_spawn, system and popen are
 * left alone: their children exec. */
#include <stddef.h>
#include <sys/types.h>

#include "agent/base/compiler.h"
#include "agent/host/fork.h"
#include "agent/host/real.h"

struct termios;
struct winsize;

PA_EXPORT pid_t fork(void);
PA_EXPORT int daemon(int nochdir, int noclose);
PA_EXPORT int forkpty(int *master, char *name, const struct termios *termp,
		      const struct winsize *winp);

pid_t fork(void)
{
	pid_t pid;

	if (pa_unlikely(!pa_real.fork))
		pa_real_init();
	pid = pa_real.fork();
	if (pid == 0)
		pa_fork_begin();
	return pid;
}

int daemon(int nochdir, int noclose)
{
	int result;

	if (pa_unlikely(!pa_real.daemon))
		pa_real_init();
	result = pa_real.daemon(nochdir, noclose); /* returns in the child only */
	if (result == 0)
		pa_fork_begin();
	return result;
}

int forkpty(int *master, char *name, const struct termios *termp, const struct winsize *winp)
{
	pid_t pid;

	if (pa_unlikely(!pa_real.forkpty))
		pa_real_init();
	pid = pa_real.forkpty(master, name, termp, winp);
	if (pid == 0)
		pa_fork_begin();
	return pid;
}
