/* SPDX-License-Identifier: Apache-2.0
 * Children of every kind while profiles are taken.
 *
 *	host_fork exec MIB     ten times fork and exec with so much touched memory
 *	host_fork calls        fork, vfork, posix_spawn, system, popen and what wait says of them
 *	host_fork threads      forks while other threads create threads, use signals and fork too
 *	host_fork daemon       daemon(); writes to the file in $HOST_OUT, until $HOST_END
 *	host_fork live         a child that goes on, with work of its own, until $HOST_END */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "test/programs/host.h"

extern char **environ;

static void report(const char *what, pid_t pid)
{
	int status = -1;
	pid_t got;

	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	printf("%s: waited %d status %x\n", what, got == pid, (unsigned)status);
}

static void child_work(void)
{
	struct sigaction a;

	host_burn(30);
	sigaction(SIGPROF, NULL, &a);
	printf("in the child: SIGPROF %s\n", a.sa_handler == SIG_DFL ? "default" : "changed");
	fflush(stdout);
}

static void exec_often(size_t mib)
{
	char *memory =
		mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		host_die("mmap");
	memset(memory, 1, mib << 20);
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			execl("/bin/true", "true", (char *)NULL);
			_exit(127);
		}
		report("exec", pid);
		memset(memory, i,
		       mib << 20); /* as Go's test: the next fork has all to copy again */
	}
}

static void calls(void)
{
	char true_path[] = "/bin/true", *argv[] = {true_path, NULL}, line[64] = "";
	sigset_t defaults;
	posix_spawnattr_t attr;
	FILE *pipe;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		child_work();
		_exit(3);
	}
	report("fork", pid);
	pid = fork();
	if (pid == 0) {
		host_burn(350); /* longer than the agent waits before it comes up again */
		raise(SIGPROF);
		_exit(4);
	}
	report("fork, SIGPROF", pid);
	for (int i = 0; i < 20; i++) {
		pid = vfork();
		if (pid == 0) {
			/* Some reset every signal before they exec. */
			for (int signo = 1; signo < 32; signo++)
				signal(signo, SIG_DFL);
			execv(true_path, argv);
			_exit(127);
		}
		report("vfork", pid);
	}
	posix_spawnattr_init(&attr);
	sigfillset(&defaults);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	printf("spawn %d\n", posix_spawn(&pid, true_path, NULL, &attr, argv, environ));
	report("spawn", pid);
	fflush(stdout);
	printf("system %x\n", (unsigned)system("echo from system; exit 5"));
	fflush(stdout);
	pipe = popen("echo from popen; exit 6", "r");
	if (!pipe || !fgets(line, sizeof(line), pipe))
		host_die("popen");
	printf("%s", line);
	printf("pclose %x\n", (unsigned)pclose(pipe));
	errno = 0;
	pid = waitpid(-1, NULL, WNOHANG);
	printf("no other child: %d errno %d\n", (int)pid, errno);
}

static volatile int own_signals;

static void count_signal(int signo)
{
	(void)signo;
	own_signals++;
}

/* vfork's child shares our memory: what it sets must not become our setting. */
static void vfork_keeps_handler(void)
{
	pid_t pid;

	signal(SIGPROF, count_signal);
	host_burn(50);
	pid = vfork();
	if (pid == 0) {
		signal(SIGPROF, SIG_DFL);
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	report("vfork", pid);
	raise(SIGPROF);
	printf("own signals %d, handler %s\n", own_signals,
	       signal(SIGPROF, SIG_DFL) == count_signal ? "kept" : "lost");
}

static uint64_t deadline;
static _Atomic int failed;

static void *nothing(void *arg)
{
	return arg;
}

static void *makes_threads(void *arg)
{
	pthread_t thread;

	while (host_clock(CLOCK_MONOTONIC) < deadline) {
		if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
			failed++;
	}
	return arg;
}

static void *uses_signals(void *arg)
{
	struct sigaction a;

	while (host_clock(CLOCK_MONOTONIC) < deadline) {
		sigaction(SIGPROF, NULL, &a);
		if (a.sa_handler != SIG_DFL && a.sa_handler != SIG_IGN)
			failed++;
		signal(SIGPROF, SIG_IGN);
		signal(SIGPROF, SIG_DFL);
	}
	return arg;
}

static void *forks(void *arg)
{
	pthread_t thread;
	int status;

	while (host_clock(CLOCK_MONOTONIC) < deadline) {
		pid_t pid = fork();

		if (pid == 0) {
			signal(SIGPROF, SIG_IGN);
			signal(SIGPROF, SIG_DFL);
			if (pthread_create(&thread, NULL, nothing, NULL) ||
			    pthread_join(thread, NULL))
				_exit(1);
			host_burn(1);
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			failed++;
	}
	return arg;
}

static void fork_among_threads(void)
{
	void *(*const routines[])(void *) = {makes_threads, uses_signals, forks, forks};
	pthread_t threads[4];

	deadline = host_clock(CLOCK_MONOTONIC) + host_ms(1500) * 1000000ull;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, routines[i], NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	printf("failed: %d\n", failed);
}

static void become_daemon(void)
{
	const char *path = getenv("HOST_OUT");
	FILE *out;

	if (daemon(1, 0))
		host_die("daemon");
	out = fopen(path ? path : "/dev/null", "w");
	if (!out)
		_exit(1);
	fprintf(out, "daemon %d: parent is another %d\n", (int)getpid(), getsid(0) == getpgrp());
	fclose(out);
	host_wait_file("HOST_END");
	_exit(0);
}

NOINLINE static void child_hog(void)
{
	host_burn(100);
	host_sum++;
}

static void live(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		const char *end = getenv("HOST_END");

		for (int i = 0; i < 1000 && end && access(end, F_OK); i++)
			child_hog();
		_exit(7);
	}
	printf("%d\n", (int)pid);
	fflush(stdout);
	host_burn(300);
	report("child", pid);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	host_wait_file("HOST_GO");
	if (!strcmp(mode, "exec")) {
		exec_often(argc > 2 ? (size_t)atoi(argv[2]) : 100);
	} else if (!strcmp(mode, "calls")) {
		calls();
		vfork_keeps_handler();
	} else if (!strcmp(mode, "threads")) {
		fork_among_threads();
	} else if (!strcmp(mode, "daemon")) {
		become_daemon();
	} else if (!strcmp(mode, "live")) {
		live();
	}
	printf("end\n");
	return 0;
}
