/* SPDX-License-Identifier: Apache-2.0
 * Programs that the host does not notice. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/spawn.h"
#include "test/tap.h"

static volatile sig_atomic_t children;

static void on_child(int signo)
{
	(void)signo;
	children++;
}

struct program {
	struct pa_child child;
	int fd;
};

/* Starts sh on a socket: what is sent there is run. */
static int start(struct program *p, const char *path)
{
	char *const argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-s", NULL};
	char *const env[] = {(char *)(uintptr_t) "ONLY=this", NULL};
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	r = pa_child_spawn(path, argv, env, pair[1], &p->child);
	close(pair[1]);
	p->fd = pair[0];
	if (r < 0)
		close(p->fd);
	return r;
}

/* Runs a command there; its output up to a line "end". */
static const char *run(const struct program *p, const char *command)
{
	static char text[8192];
	size_t len = 0;
	uint64_t until = pa_clock_mono() + 10 * PA_NS_PER_S;

	dprintf(p->fd, "{ %s; echo end; } >&0\n", command);
	while (pa_clock_mono() < until && len < sizeof(text) - 1) {
		struct pollfd poll_fd = {.fd = p->fd, .events = POLLIN};
		ssize_t n = poll(&poll_fd, 1, 100) > 0
				    ? read(p->fd, text + len, sizeof(text) - 1 - len)
				    : 0;

		if (n < 0)
			break;
		len += (size_t)n;
		text[len] = '\0';
		if (len >= 4 && !strcmp(text + len - 4, "end\n")) {
			text[len - 4] = '\0';
			return text;
		}
	}
	return "(no answer)";
}

/* Whether a process ends in time. */
static bool ends(pid_t pid)
{
	uint64_t until = pa_clock_mono() + 10 * PA_NS_PER_S;
	char path[32], text[512];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (pa_clock_mono() < until) {
		int fd = open(path, O_RDONLY);
		ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

		if (fd >= 0)
			close(fd);
		if (n <= 0)
			return true;
		text[n] = '\0';
		if (strstr(text, ") Z "))
			return true; /* whoever reaps it is not us */
		poll(NULL, 0, 1);
	}
	return false;
}

static bool nothing_to_wait_for(void)
{
	errno = 0;
	return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD && !children;
}

static void test_program(void)
{
	struct program p;
	char want[64];

	is_int(start(&p, "/bin/sh"), 0, "a program starts");
	is_str(run(&p, "echo $ONLY $0 $PWD"), "this sh /\n", "with its environment, in /");
	is_str(run(&p, "ls /proc/$$/fd | tr '\\n' ' '"), "0 1 10 2 ",
	       "nothing but its socket is open (10 is the shell's own)");
	snprintf(want, sizeof(want), "%d\n", p.child.pid);
	is_str(run(&p, "echo $$"), want, "its pid is known");
	is_str(run(&p, "cut -d' ' -f6 /proc/$$/stat"), want, "it leads a session of its own");
	ok(nothing_to_wait_for(), "it is nobody's child here");
	close(p.fd);
	ok(ends(p.child.pid), "it ends when its socket is closed");
	pa_child_end(&p.child);
	ok(nothing_to_wait_for(), "without a word");
}

/* In a daemon that has closed its descriptors, and does not care for its children. */
static void test_daemon(void)
{
	struct program p;
	char *const argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-s", NULL};
	char *const env[] = {NULL};
	int pair[2], in = dup(0);

	signal(SIGCHLD, SIG_IGN);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ||
	    dup3(pair[1], 0, O_CLOEXEC) < 0)
		ok(false, "socketpair");
	close(pair[1]);
	p.fd = pair[0];
	is_int(pa_child_spawn("/bin/sh", argv, env, 0, &p.child), 0, "its socket may be number 0");
	is_str(run(&p, "echo here"), "here\n", "already");
	dup2(in, 0);
	close(in);
	close(p.fd);
	ok(ends(p.child.pid), "and it ends where SIGCHLD is ignored");
	pa_child_end(&p.child);
	signal(SIGCHLD, on_child);
	ok(nothing_to_wait_for(), "unseen");
}

static void test_kill(void)
{
	struct program p;
	pid_t pid;

	is_int(start(&p, "/bin/sh"), 0, "a program starts");
	is_str(run(&p, "trap '' HUP TERM; echo busy"), "busy\n", "and works");
	dprintf(p.fd, "while :; do :; done\n");
	pid = p.child.pid;
	pa_child_end(&p.child);
	ok(ends(pid), "it is killed, whatever it does");
	ok(nothing_to_wait_for(), "unseen");
	close(p.fd);
}

static void test_missing(void)
{
	struct program p;

	is_int(start(&p, "/nonexistent/program"), -ENOENT, "a program that is not there");
	is_int(start(&p, "/etc/passwd"), -EACCES, "one that is none");
	ok(nothing_to_wait_for(), "leave nothing behind");
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* As in a container, where the service is PID 1, or under PR_SET_CHILD_SUBREAPER. */
static void test_reaper(void)
{
	struct program p;
	pid_t keeper;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	is_int(start(&p, "/bin/sh"), 0, "a process that inherits orphans starts a program");
	keeper = p.child.keeper;
	ok(keeper > 0, "which has a parent of its own");
	is_str(run(&p, "ls /proc/$PPID/fd | wc -l"), "0\n", "that keeps nothing open");
	ok(nothing_to_wait_for(), "nothing to wait for");
	close(p.fd);
	ok(ends(p.child.pid), "the program ends");
	ok(ends(keeper), "its parent too");
	ok(nothing_to_wait_for(), "nothing to wait for");
	pa_child_end(&p.child);
	ok(kill(keeper, 0) == -1 && errno == ESRCH, "the parent is gone");

	is_int(start(&p, "/bin/sh"), 0, "another one");
	keeper = p.child.keeper;
	dprintf(p.fd, "while :; do :; done\n");
	pa_child_end(&p.child);
	ok(kill(keeper, 0) == -1 && errno == ESRCH, "is killed with its parent");
	ok(nothing_to_wait_for(), "unseen");
	close(p.fd);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void *agent(void *arg)
{
	sigset_t all;

	(void)arg;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL); /* as the agent's threads do */
	test_program();
	test_daemon();
	test_kill();
	test_missing();
	test_reaper();
	return NULL;
}

int main(void)
{
	const int fds = count_fds();
	pthread_t thread;

	signal(SIGCHLD, on_child);
	pthread_create(&thread, NULL, agent, NULL);
	pthread_join(thread, NULL);
	is_int(count_fds(), fds, "no descriptor is left open");
	is_int(pa_mem_used(), 0, "no memory is left");
	return tap_done();
}
