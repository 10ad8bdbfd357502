/* SPDX-License-Identifier: Apache-2.0
 * The end of a process whose main thread has called pthread_exit: libc ends it with its last
 * thread (nptl: __nptl_nthreads), but counts ours and so would wait for ever. */
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
#include "agent/host/real.h"
#include "agent/host/thread.h"
#include "agent/host/thread_table.h"

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
	exit(0); /* what libc's last thread does */
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

static void watch(void *arg PA_UNUSED)
{
	pthread_t thread;

	for (;;) {
		wait_for_last();
		if (!atomic_load(&alive))
			break;
		atomic_store(&watched, false);
		if (atomic_load(&alive) || atomic_exchange(&watched, true))
			return;
	}
	/* Handlers of atexit may need more stack than our threads have. */
	if (pa_real.pthread_create(&thread, NULL, end_process, NULL))
		end_process(NULL);
}

void pa_thread_alive_add(int n)
{
	if (atomic_fetch_add(&alive, n) + n > 0 || atomic_exchange(&watched, true))
		return;
	if (pa_thread_spawn_agent("profagent-end", watch, NULL))
		atomic_store(&watched, false);
}

void pa_thread_end_fork_child(int n)
{
	atomic_store(&alive, n);
	atomic_store(&watched, false);
}
