/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/host/fork.h"
#include "agent/host/real.h"
#include "test/tap.h"

static int step, forgot, begun;

static void forget(void)
{
	forgot = ++step;
	errno = EINVAL;
}

static void begin(void)
{
	begun = ++step;
	errno = EINVAL;
}

/* Of a library that was loaded after the agent. */
static int later_handler;
static void later(void)
{
	later_handler = ++step;
}

int main(void)
{
	static const struct pa_fork_events events = {forget, begin};
	int status = -1;
	pid_t pid;

	pa_real_init();
	pa_fork_begin();
	is_int(begun, 0, "nothing happens before the start");
	is_int(pa_fork_init(&events), 0, "set up");
	pthread_atfork(NULL, NULL, later);
	step = 0;
	pid = fork();
	if (pid == 0) {
		errno = 4711;
		pa_fork_begin(); /* as the hook does when fork is about to return */
		if (forgot != 1 || later_handler != 2 || begun != 3)
			_exit(1);
		_exit(errno == 4711 ? 0 : 2);
	}
	waitpid(pid, &status, 0);
	is_int(status, 0, "a child forgets first, then others' handlers run, then it begins again");
	is_int(forgot, 0, "the parent forgets nothing");
	return tap_done();
}
