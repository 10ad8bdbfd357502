/* SPDX-License-Identifier: Apache-2.0
 * What processes cost; prints wall and CPU time (user and system, parent and children) of one.
 *
 *	process_bench start COUNT PRELOAD   spawns /bin/true with LD_PRELOAD=PRELOAD ("": without)
 *	process_bench exec COUNT            fork, the child executes /bin/true with our environment
 *	process_bench exec-bare COUNT       the same without LD_PRELOAD: the fork alone differs
 *	process_bench exit COUNT            fork, the child ends at once
 *	process_bench live COUNT MS         fork, the child sleeps MS and ends; at most 8 at a time
 *	process_bench idle                  says "ready" and sleeps until it is killed
 */
#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/bench/bench.h"

#define AT_ONCE 8

extern char **environ;
static char true_name[] = "true";
static char *const true_argv[] = {true_name, NULL};

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t rusage_ns(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return ((uint64_t)r.ru_utime.tv_sec + (uint64_t)r.ru_stime.tv_sec) * 1000000000u +
	       ((uint64_t)r.ru_utime.tv_usec + (uint64_t)r.ru_stime.tv_usec) * 1000u;
}

static void await(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fail("waitpid");
	if (status) {
		fprintf(stderr, "child: wait status %#x\n", (unsigned)status);
		exit(1);
	}
}

static void spawn_true(void)
{
	pid_t pid;

	errno = posix_spawn(&pid, "/bin/true", NULL, NULL, true_argv, environ);
	if (errno)
		fail("posix_spawn");
	await(pid);
}

static pid_t fork_child(const char *mode, long ms)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid)
		return pid;
	if (!strcmp(mode, "live"))
		sleep_ms(ms);
	if (!strncmp(mode, "exec", 4)) {
		execve("/bin/true", true_argv, environ);
		_exit(127);
	}
	_exit(0);
}

static void run(const char *mode, long count, long ms)
{
	pid_t pids[AT_ONCE];

	for (long i = 0; i < count;) {
		long n = strcmp(mode, "live") ? 1 : count - i < AT_ONCE ? count - i : AT_ONCE;

		if (!strcmp(mode, "start")) {
			spawn_true();
		} else {
			for (long j = 0; j < n; j++)
				pids[j] = fork_child(mode, ms);
			for (long j = 0; j < n; j++)
				await(pids[j]);
		}
		i += n;
	}
}

static void prepare(const char *mode, const char *preload)
{
	if (!strcmp(mode, "start") && *preload)
		setenv("LD_PRELOAD", preload, 1);
	else if (!strcmp(mode, "exec-bare"))
		unsetenv("LD_PRELOAD");
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	long count, ms = 0;
	uint64_t wall, cpu;

	if (!strcmp(mode, "idle")) {
		printf("ready\n");
		fflush(stdout);
		for (;;)
			pause();
	}
	if (argc < 3 || !strstr(" start exec exec-bare exit live ", mode)) {
		fprintf(stderr, "usage: process_bench start|exec|exec-bare|exit|live|idle ...\n");
		return 2;
	}
	count = number(argv[2], 1000000);
	if (!strcmp(mode, "live"))
		ms = number(argv[3], 60000);
	if (strcmp(mode, "start"))
		settle();
	prepare(mode, argc > 3 ? argv[3] : "");
	run(mode, AT_ONCE, ms);
	wall = clock_ns(CLOCK_MONOTONIC);
	cpu = rusage_ns(RUSAGE_SELF) + rusage_ns(RUSAGE_CHILDREN);
	run(mode, count, ms);
	cpu = rusage_ns(RUSAGE_SELF) + rusage_ns(RUSAGE_CHILDREN) - cpu;
	wall = clock_ns(CLOCK_MONOTONIC) - wall;
	printf("{\"wall_ns\": %.1f, \"cpu_ns\": %.1f}\n", (double)wall / (double)count,
	       (double)cpu / (double)count);
	return 0;
}
