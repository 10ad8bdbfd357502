/* SPDX-License-Identifier: Apache-2.0
 * A program that counts its children.
 *
 *	host_wait count    by SIGCHLD and wait
 *	host_wait wall     the same with wait4(__WALL)
 *	host_wait reaper   as a child subreaper, as PID 1 of a container is one
 *	host_wait ignore   with SIGCHLD ignored */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "test/programs/host.h"

#define CHILDREN 6

static volatile sig_atomic_t signals;

static void on_child(int signo)
{
	(void)signo;
	signals++;
}

static void count_children(int flags)
{
	int strangers = 0, seen = 0;

	for (int i = 0; i < CHILDREN; i++) {
		pid_t child = fork(), got;
		int status;

		if (!child)
			_exit(i);
		do {
			got = wait4(-1, &status, flags, NULL);
			strangers += got > 0 && got != child;
		} while (got > 0 && got != child);
		seen += got == child && WIFEXITED(status) && WEXITSTATUS(status) == i;
		host_burn(400);
	}
	printf("seen %d strangers %d\n", seen, strangers);
	printf("then %d", wait4(-1, NULL, flags | WNOHANG, NULL));
	printf(" %s, SIGCHLD %d\n", strerror(errno), (int)signals);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "reaper") && prctl(PR_SET_CHILD_SUBREAPER, 1))
		host_die("prctl");
	if (strcmp(mode, "ignore") != 0) {
		signal(SIGCHLD, on_child);
	} else {
		signal(SIGCHLD, SIG_IGN);
	}
	host_wait_file("HOST_GO");
	/* With SIGCHLD ignored nobody's end is reported, and wait ends when all are gone. */
	if (!strcmp(mode, "ignore")) {
		for (int i = 0; i < CHILDREN; i++) {
			if (!fork())
				_exit(i);
			printf("wait %d", wait(NULL));
			printf(" %s\n", strerror(errno));
			host_burn(400);
		}
		return 0;
	}
	count_children(!strcmp(mode, "wall") ? __WALL : 0);
	return 0;
}
