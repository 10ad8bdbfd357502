/* SPDX-License-Identifier: Apache-2.0
 * Threads that put themselves into a sandbox which allows just what they do themselves, and kills
 * the process for anything else.
 *
 *	host_seccomp before    the sandbox is there before the first profile
 *	host_seccomp during    it comes while one is being taken */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "test/programs/host.h"

/* For threads that compute, create others and end. No rt_sigreturn: nobody sends them signals. */
static const int allowed[] = {
	SYS_write,           SYS_futex,      SYS_mmap,   SYS_munmap,      SYS_mprotect,
	SYS_madvise,         SYS_clone,      SYS_clone3, SYS_exit,        SYS_rseq,
	SYS_set_robust_list, SYS_exit_group, SYS_brk,    SYS_sched_yield, SYS_rt_sigprocmask,
};
#define COUNT (sizeof(allowed) / sizeof(*allowed))

static void enter_sandbox(int by_prctl)
{
	struct sock_filter code[COUNT + 5];
	struct sock_fprog program = {.len = COUNT + 4, .filter = code};
	unsigned n = 0;
	long err;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < COUNT; i++)
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							 (unsigned)allowed[i],
							 (unsigned char)(COUNT - i), 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = (unsigned short)n;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (by_prctl)
		err = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	else
		err = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
	if (err)
		host_die("seccomp");
}

static void *inner(void *arg)
{
	host_spin(30000000);
	return arg;
}

static void *sandboxed(void *arg)
{
	pthread_t threads[3];
	void *result;

	host_spin(30000000);
	enter_sandbox(*(int *)arg);
	host_spin(30000000);
	for (int i = 0; i < 3; i++) {
		if (pthread_create(&threads[i], NULL, inner, arg))
			return NULL;
	}
	for (int i = 0; i < 3; i++) {
		if (pthread_join(threads[i], &result) || result != arg)
			return NULL;
	}
	for (int i = 0; i < 10; i++)
		host_spin(10000000);
	return arg;
}

int main(int argc, char **argv)
{
	int during = argc > 1 && !strcmp(argv[1], "during"), by_prctl[2] = {0, 1};
	pthread_t threads[2];
	void *result;

	if (during)
		host_wait_file("HOST_GO");
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, sandboxed, &by_prctl[i]);
	if (!during)
		host_wait_file("HOST_GO");
	host_burn(500);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &result);
		printf("thread %d: %s\n", i, result == &by_prctl[i] ? "fine" : "broken");
	}
	errno = 0;
	printf("prctl %d", prctl(PR_SET_SECCOMP, 4711, NULL));
	printf(" errno %d\n", errno);
	errno = 0;
	printf("syscall %ld", syscall(-1L));
	printf(" errno %d\n", errno);
	printf("pid %d\n", syscall(SYS_getpid) == getpid());
	printf("end\n");
	return 0;
}
