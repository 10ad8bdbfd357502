/* SPDX-License-Identifier: Apache-2.0
 * Runs one test in a session of its own, with a deadline, and makes sure that nothing it started
 * outlives it: orphans come back here (child subreaper), are named, and killed.
 *
 *	supervise SECONDS PROGRAM [ARGUMENT...]
 *
 * Exit status: the program's, 128 + signal, 124 after the deadline, 125 when processes were left
 * over by a program that ended well. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STATUS_TIMEOUT  124
#define STATUS_LEFTOVER 125
#define GRACE_MS        1000 /* for processes that are dying already */
#define KILL_ROUNDS     1000 /* a child of a killed child becomes ours: one round a generation */

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Parent and name out of /proc/PID/stat; the name is in parentheses and may hold any byte. */
static int read_stat(const char *pid, char name[64], int *ret_parent)
{
	char path[64], text[512];
	FILE *f;
	size_t n;
	char *open, *close;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	open = strchr(text, '(');
	close = strrchr(text, ')');
	if (!open || !close || sscanf(close + 1, " %*c %d", ret_parent) != 1)
		return -EINVAL;
	snprintf(name, 64, "%.*s", (int)(close - open - 1), open + 1);
	return 0;
}

/* Calls kill() for every direct child; names each one when `tell`. */
static void kill_children(int sig, int tell)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char name[64];
	int parent;

	while (proc && (entry = readdir(proc))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		if (read_stat(entry->d_name, name, &parent) || parent != getpid())
			continue;
		if (tell)
			printf("# left-over process %s (%s)\n", entry->d_name, name);
		kill(atoi(entry->d_name), sig);
	}
	if (proc)
		closedir(proc);
}

/* Reaps until there is no child (-> 0) or the time is up (-> -ETIMEDOUT). Stores the status of
 * `main_child` when that is the one, and then returns 1. */
static int reap_until(long end_ms, pid_t main_child, int *ret_status)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);
		long left = end_ms - now_ms();
		struct timespec wait = {.tv_nsec = 100000000};

		if (pid > 0 && pid == main_child) {
			*ret_status = status;
			return 1;
		}
		if (pid > 0)
			continue;
		if (pid < 0 && errno == ECHILD)
			return 0;
		if (left <= 0)
			return -ETIMEDOUT;
		if (left < 100)
			wait.tv_nsec = left * 1000000;
		sigtimedwait(&set, NULL, &wait);
	}
}

static void kill_all(int tell)
{
	for (int i = 0; i < KILL_ROUNDS; i++) {
		kill_children(SIGKILL, tell);
		if (reap_until(now_ms() + 100, -1, NULL) == 0)
			return;
	}
}

static void on_end(int sig)
{
	kill_all(0);
	_exit(128 + sig);
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static pid_t start(char **argv, const sigset_t *mask)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	setsid();
	signal(SIGINT, SIG_DFL); /* a shell without job control starts us with both ignored */
	signal(SIGQUIT, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	fprintf(stderr, "supervise: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int main(int argc, char **argv)
{
	sigset_t chld, old;
	int status = 0, result;
	long timeout_s = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
	pid_t pid;

	if (timeout_s <= 0) {
		fprintf(stderr, "usage: supervise SECONDS PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &old);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = start(argv + 2, &old);
	if (pid < 0) {
		perror("supervise: fork");
		return 1;
	}
	signal(SIGTERM, on_end);
	signal(SIGINT, on_end);
	signal(SIGHUP, on_end);
	if (reap_until(now_ms() + timeout_s * 1000, pid, &status) != 1) {
		printf("# timed out after %ld s\n", timeout_s);
		kill(-pid, SIGTERM); /* lets clean-up traps run */
		reap_until(now_ms() + GRACE_MS, pid, &status);
		kill_all(0);
		return STATUS_TIMEOUT;
	}
	result = exit_status(status);
	if (reap_until(now_ms() + GRACE_MS, -1, NULL)) {
		kill_all(1);
		if (result == 0 || result == 2)
			result = STATUS_LEFTOVER;
	}
	return result;
}
