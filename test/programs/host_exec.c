/* SPDX-License-Identifier: Apache-2.0
 * exec while a profile is taken: the new image starts as if nothing had been.
 *
 *	host_exec main | thread | blocked | handler | ignored
 *	host_exec after            what the new image runs */
#include <pthread.h>
#include <signal.h>

#include "test/programs/host.h"

static char *self;

static void exec_now(void)
{
	char after[] = "after", *argv[] = {self, after, NULL};

	execv(self, argv);
	host_die("exec");
}

static void *exec_thread(void *arg)
{
	host_burn(100);
	exec_now();
	return arg;
}

static void *busy_thread(void *arg)
{
	for (;;)
		host_burn(10);
	return arg;
}

static void nothing(int signo)
{
	(void)signo;
}

/* All signals, as a pending one would strike now. */
static void after(void)
{
	sigset_t none, pending, before;
	int caught = 0, ignored = 0;

	sigpending(&pending);
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, &before);
	for (int signo = 1; signo < 65; signo++) {
		struct sigaction a;

		if (sigismember(&before, signo) == 1)
			printf("%d was blocked\n", signo);
		if (sigismember(&pending, signo) == 1)
			printf("%d was pending\n", signo);
		if (sigaction(signo, NULL, &a))
			continue;
		caught += a.sa_handler != SIG_DFL && a.sa_handler != SIG_IGN;
		ignored += a.sa_handler == SIG_IGN;
	}
	printf("caught %d ignored %d\n", caught, ignored);
	host_burn(100);
	printf("end\n");
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	pthread_t threads[3];
	sigset_t all;

	self = argv[0];
	if (!strcmp(mode, "after")) {
		after();
		return 0;
	}
	host_wait_file("HOST_GO");
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, busy_thread, NULL);
	host_burn(100);
	if (!strcmp(mode, "thread")) {
		pthread_create(&threads[0], NULL, exec_thread, NULL);
		pthread_join(threads[0], NULL);
	} else if (!strcmp(mode, "blocked")) {
		sigfillset(&all);
		pthread_sigmask(SIG_BLOCK, &all, NULL);
		host_burn(100); /* ticks wait now */
	} else if (!strcmp(mode, "handler")) {
		signal(SIGPROF, nothing);
		host_burn(50);
	} else if (!strcmp(mode, "ignored")) {
		signal(SIGPROF, SIG_IGN);
		host_burn(50);
	}
	exec_now();
	return 1;
}
