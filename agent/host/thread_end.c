/* SPDX-License-Identifier: Apache-2.0
 * The end of a process with its last thread. After pthread_exit in the main thread that is libc's
 * work (nptl: __nptl_nthreads), after exit(2) the kernel's; both count our threads and so would
 * wait for ever. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/fmt.h"
#include "agent/base/lock.h"
#include "agent/base/parse.h"
#include "agent/base/syscall.h"
#include "agent/host/real.h"
#include "agent/host/thread.h"
#include "agent/host/thread_table.h"
#include "agent/host/tid.h"

/* Announced threads. */
static _Atomic int alive;
static _Atomic bool watched;

static bool is_zombie(pid_t tid)
{
	char path[64], text[128];
	const char *state;
	ssize_t len;

	pa_fmt(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	len = pa_file_read_small(path, text, sizeof(text));
	if (len <= 0)
		return len == -ENOENT || len == -ESRCH;
	state = memrchr(text, ')', (size_t)len); /* behind the name, which may hold anything */
	return state && (state[2] == 'Z' || state[2] == 'X');
}

static bool is_hosts(pid_t tid, void *arg PA_UNUSED)
{
	return !pa_thread_is_agent(tid) && !is_zombie(tid);
}

static void *end_process(void *arg PA_UNUSED)
{
	sigset_t none;

	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	/* What libc's last thread does. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	exit(0); /* lint: allow(assert) the host has ended */
}

/* Returns when somebody is there again, or nobody any more: threads that were not announced
 * (libc's helpers) keep the process alive too. */
static void wait_for_last(void)
{
	static _Atomic uint32_t never;

	while (!atomic_load(&alive) &&
	       (pa_thread_agents_starting() || pa_thread_any_task(is_hosts, NULL)))
		pa_futex_wait(&never, 0, 5 * PA_NS_PER_MS);
}

static void end_by_libc(void)
{
	pthread_t thread;

	/* Handlers of atexit may need more stack than our threads have. */
	if (pa_real.pthread_create(&thread, NULL, end_process, NULL))
		end_process(NULL);
}

static void watch(void *arg PA_UNUSED)
{
	for (;;) {
		wait_for_last();
		if (!atomic_load(&alive))
			break;
		atomic_store(&watched, false);
		if (atomic_load(&alive) || atomic_exchange(&watched, true))
			return;
	}
	end_by_libc();
}

/* What the main thread gave to exit(2): last field of its line, proc(5), Linux 3.5. */
static int main_status(void)
{
	char path[64], text[1024];
	const char *last;
	uint64_t code = 0;
	ssize_t len;

	pa_fmt(path, sizeof(path), "/proc/self/task/%d/stat", (int)getpid());
	len = pa_file_read_small(path, text, sizeof(text));
	last = len > 0 ? memrchr(text, ' ', (size_t)len) : NULL;
	if (!last)
		return 0;
	last++;
	if (!pa_scan_u64(&last, text + len, 10, &code))
		return 0;
	return (int)(code >> 8 & 0xff); /* as wait(2) gives it */
}

void pa_threads_check_end(void)
{
	static bool others_outlived_main;

	if (!pa_tid_main_ended() || pa_thread_agents_starting())
		return;
	if (pa_thread_any_task(is_hosts, NULL)) {
		others_outlived_main = true;
		return;
	}
	/* Those that end through libc are announced first. */
	if (!atomic_load(&alive)) {
		if (!atomic_exchange(&watched, true))
			end_by_libc();
		return;
	}
	/* The last thread's status is that of the process (Linux 5.17). libc's threads give 0. */
	pa_sys(SYS_exit_group, others_outlived_main ? 0 : main_status());
}

void pa_thread_alive_add(int n)
{
	/* From a sandbox no thread can be made: pa_threads_check_end sees to it. */
	if (atomic_fetch_add(&alive, n) + n > 0 || pa_thread_sandboxed() ||
	    atomic_exchange(&watched, true))
		return;
	if (pa_thread_spawn_agent("profagent-end", watch, NULL))
		atomic_store(&watched, false);
}

void pa_thread_end_fork_child(int n)
{
	atomic_store(&alive, n);
	atomic_store(&watched, false);
}
