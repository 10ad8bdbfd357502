/* SPDX-License-Identifier: Apache-2.0
 * Why not posix_spawn: a program that a process has started by exec ends with SIGCHLD to its
 * parent and waits for its wait(), whatever exit signal clone(2) was given (fs/exec.c, de_thread,
 * sets exit_signal to SIGCHLD). A child with exit signal 0 that never execs is seen by no wait()
 * but one with __WCLONE or __WALL. So the program gets such a child as parent, the keeper: a
 * process in our memory, on a stack of its own, that makes raw system calls only.
 *
 * Where orphans go to an init that looks after them, the keeper ends at once and the program is an
 * orphan. Where they come back to the host (PID 1 of a container, PR_SET_CHILD_SUBREAPER), or go to
 * a PID 1 that never asked for them, the keeper stays until the program has ended. What it leaves
 * to be desired: when the host execs meanwhile, the kernel sends its new program a SIGCHLD at the
 * keeper's end (do_notify_parent), and the keeper remains a zombie that only __WCLONE sees. */
#include "agent/base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/fmt.h"
#include "agent/base/lock.h"
#include "agent/base/parse.h"
#include "agent/base/syscall.h"

#define STACK_BYTES 16384
#define LOOK_NS     (200 * PA_NS_PER_MS) /* of a keeper that stays: is it told to end? */
#define START_NS    (5 * PA_NS_PER_S)
#define END_NS      (2 * PA_NS_PER_S) /* for a killed program and its keeper to be gone */
#define TO_END      SIGUSR1           /* wakes a keeper that stays */

/* Shared by the agent's thread, the keeper and, until its exec, the program. */
struct pa_launch {
	const char *path;
	char *const *argv, *const *envp;
	int fd;
	bool stay; /* the keeper */
	pid_t host;
	_Atomic uint32_t ready; /* futex: the program runs, or error is set */
	_Atomic bool end;       /* the keeper is to kill the program */
	int error;
	pid_t pid;
	_Alignas(16) char keeper_stack[STACK_BYTES];
	_Alignas(16) char program_stack[STACK_BYTES];
};

/* Nobody returns from the frames of these, and their pages are used for other things afterwards:
 * AddressSanitizer (unit tests) would take them for frames still. */
#define ON_OWN_STACK __attribute__((no_sanitize("address")))

ON_OWN_STACK static void close_from(int first)
{
	struct rlimit lim = {.rlim_cur = 1024};

	if (!pa_sys(SYS_close_range, first, ~0u, 0)) /* Linux 5.9 */
		return;
	pa_sys(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &lim);
	for (unsigned fd = (unsigned)first; fd < lim.rlim_cur && fd < 1u << 20; fd++)
		pa_sys(SYS_close, fd);
}

/* Until its exec the program is in our memory too. Handlers of the host cannot run there: signals
 * stay blocked, and the exec takes the handlers away. */
ON_OWN_STACK static int become_program(void *arg)
{
	struct pa_launch *l = arg;

	if (l->stay)
		pa_sys(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL); /* should somebody kill the keeper */
	pa_sys(SYS_setsid);
	pa_sys(SYS_chdir, "/");
	l->error = (int)pa_sys(SYS_execve, l->path, l->argv, l->envp);
	pa_sys(SYS_exit_group, 127);
	return 127;
}

/* What the keeper inherits is the host's: a signal to its process group, a pipe that somebody waits
 * to be closed, the way in which the end of children is told. */
ON_OWN_STACK static void part_from_host(const struct pa_launch *l)
{
	static const uint64_t all = ~0ull;
	static const uint64_t by_default[4]; /* the kernel's struct sigaction */

	pa_sys(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
	pa_sys(SYS_rt_sigaction, SIGCHLD, by_default, NULL, sizeof(all));
	pa_sys(SYS_setsid);
	pa_sys(SYS_prctl, PR_SET_NAME, "profagent-keep");
	pa_sys(SYS_dup3, l->fd, STDIN_FILENO, 0);
	pa_sys(SYS_fcntl, STDIN_FILENO, F_SETFD, 0); /* it may have been there already */
	close_from(STDOUT_FILENO);
	pa_sys(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR); /* lint: allow(cloexec) its own */
	pa_sys(SYS_dup3, STDOUT_FILENO, STDERR_FILENO, 0);
}

/* Until the program has ended, which it does when the host closes its socket, or is told to end. */
ON_OWN_STACK static void keep(struct pa_launch *l)
{
	static const uint64_t wanted = 1ull << (SIGCHLD - 1) | 1ull << (TO_END - 1);
	static const struct timespec look = {0, (long)LOOK_NS};

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		pa_sys(SYS_close, fd);
	/* Comes at the end of the thread that started us too: threads of the host are not asked. */
	pa_sys(SYS_prctl, PR_SET_PDEATHSIG, TO_END);
	while (!pa_sys(SYS_wait4, l->pid, NULL, WNOHANG, NULL)) {
		if (atomic_load(&l->end) || pa_sys(SYS_getppid) != l->host)
			pa_sys(SYS_kill, l->pid, SIGKILL);
		pa_sys(SYS_rt_sigtimedwait, &wanted, NULL, &look, sizeof(wanted));
	}
}

/* No debugger follows: what has an exit signal of its own looks like one more thread to gdb. */
ON_OWN_STACK static int run_keeper(void *arg)
{
	struct pa_launch *l = arg;
	int pid;

	part_from_host(l);
	/* CLONE_VFORK: goes on when the program has been exec'ed, or has ended. */
	pid = clone(become_program, l->program_stack + STACK_BYTES,
		    CLONE_VM | CLONE_VFORK | CLONE_UNTRACED | SIGCHLD, l);
	if (pid < 0)
		l->error = -EAGAIN;
	l->pid = pid;
	if (pid > 0 && l->error)
		pa_sys(SYS_wait4, pid, NULL, 0, NULL);
	atomic_store(&l->ready, 1);
	pa_futex_wake(&l->ready, 1);
	if (pid > 0 && !l->error && l->stay)
		keep(l);
	pa_sys(SYS_exit_group, 0);
	return 0;
}

/* Whether PID 1 is a program that was made for that place. Others take an orphan for a child of
 * theirs or never wait for it: PostgreSQL restarts the database when a child that it does not
 * know was killed, node keeps zombies. */
static bool init_looks_after_orphans(void)
{
	static const char *const names[] = {"systemd\n",   "init\n",        "tini\n",
					    "dumb-init\n", "docker-init\n", "catatonit\n",
					    "s6-svscan\n", "runit\n",       "supervisord\n"};
	char self[16], pid[16], name[32];
	long len = pa_sys(SYS_readlinkat, AT_FDCWD, "/proc/self", self, sizeof(self) - 1);

	/* /proc may be another pid namespace's. */
	pa_fmt(pid, sizeof(pid), "%d", (int)getpid());
	if (len < 0 || (size_t)len != strlen(pid) || memcmp(self, pid, (size_t)len) != 0 ||
	    pa_file_read_small("/proc/1/comm", name, sizeof(name)) < 0)
		return false;
	for (size_t i = 0; i < PA_ARRAY_LEN(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* Whether whoever gets orphans among our descendants should not. */
static bool must_keep(void)
{
	int subreaper = 0;

	return getpid() == 1 || pa_sys(SYS_prctl, PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0) ||
	       subreaper || !init_looks_after_orphans();
}

/* Waits for a keeper to be gone; false when it is not in time. */
static bool reap(pid_t keeper, uint64_t ns)
{
	static _Atomic uint32_t nobody_wakes;
	uint64_t until = pa_clock_mono() + ns;

	while (!pa_sys(SYS_wait4, keeper, NULL, WNOHANG | __WCLONE, NULL)) {
		if (pa_clock_mono() >= until)
			return false;
		pa_futex_wait(&nobody_wakes, 0, PA_NS_PER_MS);
	}
	return true;
}

/* The program's pid, or -errno. No CLONE_VFORK: its wait cannot be interrupted, and a setuid() of the
 * host waits for all threads to answer a signal. */
static int launch(struct pa_launch *l, pid_t *ret_keeper)
{
	uint64_t until = pa_clock_mono() + START_NS;
	pid_t keeper =
		clone(run_keeper, l->keeper_stack + STACK_BYTES, CLONE_VM | CLONE_UNTRACED, l);

	if (keeper < 0)
		return -errno;
	*ret_keeper = keeper;
	while (!atomic_load(&l->ready)) {
		bool gone = reap(keeper, 0);

		if ((gone && !atomic_load(&l->ready)) || pa_clock_mono() >= until) {
			atomic_store(&l->end, true);
			return -EAGAIN;
		}
		pa_futex_wait(&l->ready, 0, 10 * PA_NS_PER_MS);
	}
	return l->error ? l->error : l->pid;
}

/* When a process was started, in the kernel's ticks; 0 when unknown. Field 22 of its line (proc(5)),
 * the 20th behind the name, which may hold anything. */
static uint64_t start_time(pid_t pid)
{
	char path[32], text[512];
	const char *at, *end;
	uint64_t ticks;
	ssize_t len;

	pa_fmt(path, sizeof(path), "/proc/%d/stat", (int)pid);
	len = pa_file_read_small(path, text, sizeof(text));
	if (len <= 0)
		return 0;
	end = text + len;
	at = memrchr(text, ')', (size_t)len);
	for (int i = 0; at && i < 20; i++)
		at = memchr(at + 1, ' ', (size_t)(end - at - 1));
	if (!at)
		return 0;
	at++;
	return pa_scan_u64(&at, end, 10, &ticks) ? ticks : 0;
}

int pa_child_spawn(const char *path, char *const argv[], char *const envp[], int fd,
		   struct pa_child *ret)
{
	struct pa_launch *l = pa_pages_alloc(sizeof(*l));
	pid_t keeper = 0;
	int pid;

	if (!l)
		return -ENOMEM;
	l->path = path;
	l->argv = argv;
	l->envp = envp;
	l->fd = fd;
	l->stay = must_keep();
	l->host = getpid();
	pid = launch(l, &keeper);
	if (pid > 0 && l->stay)
		*ret = (struct pa_child){.pid = pid, .keeper = keeper, .launch = l};
	else if (pid > 0)
		*ret = (struct pa_child){.pid = pid, .started = start_time(pid)};
	if ((pid < 0 || !l->stay) && (!keeper || reap(keeper, END_NS)))
		pa_pages_free(l, sizeof(*l));
	return PA_MIN(pid, 0);
}

/* Init reaps an orphan as soon as it has ended, and then its pid may be anybody's. */
static void kill_orphan(const struct pa_child *c)
{
	long fd = pa_sys(SYS_pidfd_open, c->pid, 0); /* Linux 5.3 */

	if (c->started && start_time(c->pid) == c->started) {
		if (fd >= 0)
			pa_sys(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
		else
			pa_sys(SYS_kill, c->pid, SIGKILL);
	}
	if (fd >= 0)
		pa_sys(SYS_close, fd);
}

/* The keeper does it: after a setuid() we may not, and only who reaps a program can be sure that its
 * pid is still the program's. False when the keeper still runs on its stack. */
static bool end_keeper(const struct pa_child *c)
{
	if (reap(c->keeper, 0))
		return true;
	atomic_store(&c->launch->end, true);
	pa_sys(SYS_kill, c->keeper, TO_END); /* it looks by itself too */
	return reap(c->keeper, END_NS);
}

void pa_child_end(struct pa_child *c)
{
	const struct pa_child was = *c;

	*c = (struct pa_child){0}; /* first: a child that is forked now must not find the pages */
	if (was.launch && end_keeper(&was))
		pa_pages_free(was.launch, sizeof(*was.launch));
	else if (!was.launch && was.pid)
		kill_orphan(&was);
}

void pa_child_fork_child(struct pa_child *c)
{
	if (c->launch)
		pa_pages_free(c->launch, sizeof(*c->launch));
	*c = (struct pa_child){0};
}
