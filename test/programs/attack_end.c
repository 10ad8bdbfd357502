/* SPDX-License-Identifier: Apache-2.0
 * Programs that end, or fork, in ways that the C library does not see: attack_end HOW */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test/programs/host.h"

/* exit(2) ends a thread; a process only with its last one. */
__attribute__((noreturn)) static void leave(int status)
{
	for (;;)
		syscall(SYS_exit, status);
}

static void *last_thread(void *arg)
{
	(void)arg;
	sleep(2);
	write(1, "last thread\n", 12);
	return NULL;
}

static void with_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, last_thread, NULL))
		exit(3);
	leave(7);
}

static void at_exit(void)
{
	write(1, "handler of atexit\n", 18);
}

/* Only what a process needs that forks; anything else kills it. */
static void sandbox(unsigned flags)
{
	static const int allowed[] = {
		SYS_write,           SYS_exit,          SYS_clone,     SYS_wait4,
		SYS_set_robust_list, SYS_clock_gettime, SYS_exit_group};
	enum { COUNT = sizeof(allowed) / sizeof(*allowed) };
	struct sock_filter code[COUNT + 3] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog program = {.len = COUNT + 3, .filter = code};

	for (int i = 0; i < COUNT; i++)
		code[1 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							   (unsigned)allowed[i],
							   (unsigned char)(COUNT - i), 0);
	code[COUNT + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[COUNT + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program))
		exit(4);
}

static void sandboxed_fork(void)
{
	int status = -1;
	pid_t child;

	sandbox(0);
	child = fork();
	if (!child) {
		host_burn(400); /* the agent of a child would begin in this time */
		write(1, "child\n", 6);
		leave(5);
	}
	if (wait4(child, &status, 0, NULL) == child && WIFEXITED(status) &&
	    WEXITSTATUS(status) == 5)
		write(1, "child as it should\n", 19);
	leave(6);
}

static void sandbox_for_all(void)
{
	sandbox(SECCOMP_FILTER_FLAG_TSYNC);
	host_burn(1500); /* the agent's threads would do something in this time */
	write(1, "alive\n", 6);
	leave(6);
}

/* As libseccomp finds out what there is, with no filter at all. */
static void ask_for_sandbox(void)
{
	long ret = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, NULL);

	printf("TSYNC is known: %d\n", ret == -1 && errno == EFAULT);
	fflush(stdout);
	host_burn(2500);
	_exit(0);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";

	host_wait_file("HOST_GO");
	atexit(at_exit);
	host_burn(200);
	if (!strcmp(how, "alone"))
		leave(7);
	if (!strcmp(how, "thread"))
		with_thread();
	if (!strcmp(how, "sandbox-fork"))
		sandboxed_fork();
	if (!strcmp(how, "sandbox-all"))
		sandbox_for_all();
	if (!strcmp(how, "sandbox-asked"))
		ask_for_sandbox();
	return 2;
}
