/* SPDX-License-Identifier: Apache-2.0
 * Memory that is there, that is not, and that goes away meanwhile. */
#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/maps.h"
#include "agent/base/peek.h"
#include "test/tap.h"

static size_t page;

static char *map_pages(size_t n)
{
	char *p = mmap(NULL, n * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < n * page; i++)
		p[i] = (char)(i % 251);
	return p;
}

static bool content(const char *buf, size_t from, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (buf[i] != (char)((from + i) % 251))
			return false;
	}
	return true;
}

/* As many checks as fit an exit status: 0, or the number of the first that failed. */
static int try_everything(void)
{
	char *buf = map_pages(64), *p = map_pages(8);
	uintptr_t at = (uintptr_t)p;
	int failed = 0, number = 0;

#define TRY(cond)                                                                                  \
	do {                                                                                       \
		number++;                                                                          \
		if (!(cond) && !failed)                                                            \
			failed = number;                                                           \
	} while (0)
	errno = 1234;
	TRY(pa_peek(at + 5, buf, 100) == 100 && content(buf, 5, 100));
	TRY(pa_peek_all(at + 5, buf, 2 * page) == 0 && content(buf, 5, 2 * page));
	TRY(pa_peek(at, buf, 0) == 0 && pa_peek(0, buf, 0) == 0);
	munmap(p + 3 * page, page);
	TRY(pa_peek(at + 5, buf, 4 * page) == (ssize_t)(3 * page - 5));
	TRY(content(buf, 5, 3 * page - 5));
	memset(buf, 'Z', page);
	TRY(pa_peek(at + 3 * page, buf, page) == -EFAULT);
	TRY(pa_peek(at + 3 * page, buf, 2 * page) == -EFAULT);
	TRY(pa_peek_all(at + 3 * page - 1, buf + page, 2) == -EFAULT);
	TRY(pa_peek_all(at + 3 * page, buf, 1) == -EFAULT && buf[0] == 'Z');
	TRY(pa_peek(0, buf, 8) == -EFAULT && pa_peek(1, buf, page) == -EFAULT);
	TRY(pa_peek(UINTPTR_MAX, buf, 8) == -EFAULT || pa_peek(UINTPTR_MAX, buf, 8) == 0);
	TRY(pa_peek(UINTPTR_MAX - 4, buf, 64) == -EFAULT);
	TRY(pa_peek((uintptr_t)0xffff888000000000, buf, 8) == -EFAULT);
	TRY(pa_peek((uintptr_t)0x0000800000000000, buf, 8) == -EFAULT);
	TRY(pa_peek(at + 4 * page, buf, SIZE_MAX) == (ssize_t)(4 * page) ||
	    pa_peek(at + 4 * page, buf, SIZE_MAX) == -EFAULT);
	mprotect(p + 4 * page, page, PROT_READ);
	TRY(pa_peek(at + 4 * page, buf, page) == (ssize_t)page && content(buf, 4 * page, page));
	TRY(pa_peek_span(at + 5, 2 * page) == 2 * page && pa_peek_span(at, 0) == 0);
	TRY(pa_peek_span(at + 5, 4 * page) == 3 * page - 5);
	TRY(pa_peek_span(at + 3 * page - 3, 3) == 3 && pa_peek_span(at + 3 * page - 3, 4) == 3);
	TRY(pa_peek_span(at + 3 * page, 1) == 0 && pa_peek_span(at + 4 * page - 1, page) == 0);
	TRY(pa_peek_span(at + 4 * page, page) == page);
	TRY(pa_peek_span(0, 8) == 0 && pa_peek_span(4, page) == 0);
	TRY(pa_peek_span(UINTPTR_MAX, 8) == 0 && pa_peek_span(UINTPTR_MAX - 4, 64) == 0);
	TRY(pa_peek_span((uintptr_t)0xffff888000000000, 8) == 0);
	TRY(pa_peek_span((uintptr_t)0x0000800000000000, 8) == 0);
	TRY(errno == 1234);
#undef TRY
	munmap(p, 8 * page);
	munmap(buf, 64 * page);
	return failed;
}

/* Runs fn in a child; its result, or 1000 and the signal that ended it. */
static int in_child(int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* As a service manager's sandbox: process_vm_readv kills. */
static int install_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = 4, .filter = code};

	setrlimit(RLIMIT_CORE, &(struct rlimit){0});
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

static int filtered(void)
{
	int before = count_descriptors(), r;

	if (install_filter() < 0)
		return 200;
	r = try_everything();
	return r ? r : count_descriptors() == before ? 0 : 201;
}

/* Whether the filter kills at all: otherwise the test above shows nothing. */
static int filter_bites(void)
{
	if (install_filter() < 0)
		return 200;
	syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0);
	return 0;
}

static pthread_t main_thread;

static void *peek_alone(void *arg)
{
	struct pa_arena a = {0};
	struct pa_map *maps;
	size_t count = 0;
	int r;

	pthread_join(main_thread, NULL);
	r = try_everything();
	if (!r && (pa_maps_read(&a, &maps, &count) < 0 || count < 5))
		r = 202;
	_exit(r);
	return arg;
}

static int without_main_thread(void)
{
	pthread_t thread;

	main_thread = pthread_self();
	pthread_create(&thread, NULL, peek_alone, NULL);
	pthread_exit(NULL);
}

static int without_main_thread_filtered(void)
{
	return install_filter() < 0 ? 200 : without_main_thread();
}

static _Atomic bool stop;

static void *remap(void *arg)
{
	while (!stop) {
		mmap(arg, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		     0);
		mmap(arg, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
	return NULL;
}

static void test_racing(void)
{
	char *p = map_pages(3), buf[8192];
	bool good = true;
	pthread_t thread;

	pthread_create(&thread, NULL, remap, p + page);
	for (int i = 0; i < 20000; i++) {
		ssize_t n = pa_peek((uintptr_t)p + page - 64, buf, 128);

		good = good && (n == 64 || n == 128) && content(buf, page - 64, 64);
	}
	stop = true;
	pthread_join(thread, NULL);
	ok(good, "a page that comes and goes is copied or not, without a fault");
}

int main(void)
{
	page = (size_t)sysconf(_SC_PAGESIZE);
	is_int(try_everything(), 0, "reads what is there and nothing else");
	is_int(in_child(filtered), 0, "also in a sandbox that kills for process_vm_readv");
	is_int(in_child(filter_bites), 1000 + SIGSYS, "which it does");
	is_int(in_child(without_main_thread), 0, "after the main thread's exit");
	is_int(in_child(without_main_thread_filtered), 0, "and both together");
	test_racing();
	return tap_done();
}
