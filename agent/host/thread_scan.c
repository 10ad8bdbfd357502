/* SPDX-License-Identifier: Apache-2.0
 * Threads that nobody announced, from /proc/self/task (proc(5)). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/hash.h"
#include "agent/base/parse.h"
#include "agent/host/thread.h"
#include "agent/host/thread_table.h"

struct dirent64_head { /* getdents64(2) */
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static _Atomic int scanned_count;
static nlink_t last_links; /* of /proc/self/task: 2 + threads (fs/proc/base.c) */
static uint64_t last_seen;

int pa_thread_scanned_count(void)
{
	return atomic_load(&scanned_count);
}

void pa_thread_scanned_add(int n)
{
	atomic_fetch_add(&scanned_count, n);
}

static void slots_by_tid(struct pa_map64 *map)
{
	for (uint32_t i = 0, n = pa_threads_limit(); i < n; i++) {
		struct pa_thread *t = pa_thread_slot(i);
		pid_t tid = t ? atomic_load(&t->tid) : 0;

		if (tid && pa_map64_put(map, (uint64_t)tid, i))
			return;
	}
}

/* Gives an unknown thread a slot, unless it announces itself at this very moment; see
 * adopt_scanned in thread.c for the other side. */
static void add_unknown(pid_t tid, void (*added)(struct pa_thread *))
{
	struct pa_thread *t;

	if (pa_thread_is_agent(tid))
		return;
	if (pa_thread_agents_starting()) {
		last_links = 0; /* may be one of ours: look again next time */
		return;
	}
	pa_thread_scanned_add(1);
	t = pa_thread_claim(tid, PA_THREAD_SCANNED, 0, 0, 0);
	if (!t) {
		pa_thread_scanned_add(-1);
		return;
	}
	if (pa_thread_find(tid, PA_THREAD_HOOKED) && pa_thread_release(t, PA_THREAD_SCANNED)) {
		pa_thread_scanned_add(-1);
		return;
	}
	if (added)
		added(t);
}

struct scan {
	struct pa_map64 known; /* slots by thread id; UINT64_MAX once the thread was met */
	void (*added)(struct pa_thread *);
};

static bool visit_tid(pid_t tid, void *arg)
{
	struct scan *s = arg;
	uint64_t slot;

	if (!pa_map64_get(&s->known, (uint64_t)tid, &slot))
		add_unknown(tid, s->added);
	else if (pa_map64_put(&s->known, (uint64_t)tid, UINT64_MAX))
		return false; /* cannot fail: it exists */
	return false;
}

/* Calls visit until it returns true: 1. 0 when the whole directory was read, or -errno. */
static int visit_tasks(int dir, bool (*visit)(pid_t tid, void *arg), void *arg)
{
	char buf[4096] PA_ALIGNED(8);
	long n;

	while ((n = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64_head *d = (const void *)(buf + at);
			uint64_t tid;

			if (!pa_parse_u64(d->name, strlen(d->name), 10, &tid) &&
			    visit((pid_t)tid, arg))
				return 1;
			at += d->reclen;
		}
	}
	return n == 0 ? 0 : -errno;
}

bool pa_thread_any_task(bool (*test)(pid_t tid, void *arg), void *arg)
{
	int dir = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret;

	if (dir < 0)
		return true;
	ret = visit_tasks(dir, test, arg);
	close(dir);
	return ret != 0;
}

/* The listing may skip a thread when others end meanwhile (proc_task_readdir counts positions). */
static bool is_gone(pid_t tid)
{
	return syscall(SYS_tgkill, getpid(), tid, 0) && errno == ESRCH;
}

/* Slots whose thread was not met. One that claimed its slot while we read is not in `known`. */
static void drop_gone(struct pa_map64 *known, void (*gone)(struct pa_thread *))
{
	for (uint32_t i = 0, n = pa_threads_limit(); i < n; i++) {
		struct pa_thread *t = pa_thread_slot(i);
		pid_t tid = t ? atomic_load(&t->tid) : 0;
		uint32_t state = t ? atomic_load(&t->state) : PA_THREAD_FREE;
		uint64_t slot;

		if (!tid || state == PA_THREAD_FREE)
			continue;
		if (!pa_map64_get(known, (uint64_t)tid, &slot) || slot != i || !is_gone(tid))
			continue;
		if (gone)
			gone(t);
		if (pa_thread_release(t, state) && state == PA_THREAD_SCANNED)
			pa_thread_scanned_add(-1);
	}
}

void pa_thread_scan(bool force, void (*added)(struct pa_thread *), void (*gone)(struct pa_thread *))
{
	struct scan s = {.added = added};
	struct stat st;
	uint64_t seen = pa_threads_seen();
	int dir = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return;
	if (!fstat(dir, &st) && (force || st.st_nlink != last_links || seen != last_seen)) {
		last_links = st.st_nlink;
		last_seen = seen;
		slots_by_tid(&s.known);
		if (visit_tasks(dir, visit_tid, &s) == 0)
			drop_gone(&s.known, gone);
		pa_map64_done(&s.known);
	}
	close(dir);
}

void pa_thread_scan_fork_child(void)
{
	atomic_store(&scanned_count, 0);
	last_links = 0;
}
