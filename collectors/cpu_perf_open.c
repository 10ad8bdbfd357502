/* SPDX-License-Identifier: Apache-2.0
 * The perf events of the process: opened once, before it has many threads, then switched on and
 * off. */
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/parse.h"
#include "agent/core/config.h"
#include "agent/host/proc.h"
#include "agent/host/thread.h"
#include "collectors/cpu_perf.h"

#define EVENTS_MAX 8192        /* threads found at the start times CPUs */
#define RINGS_MAX  (16u << 20) /* bytes of all rings together */

/* How late the agent's thread may come on a busy machine without samples being lost. */
#define RING_NS_MIN (100 * PA_NS_PER_MS)

struct event {
	int fd;
	uint64_t id; /* tells our event from whatever the host may have put on that number */
};

static struct event *events; /* the first `cpus` own the rings */
static int event_count;

struct pa_perf pa_perf;

static void attr_set(struct perf_event_attr *a, bool kernel)
{
	memset(a, 0, sizeof(*a));
	a->size = sizeof(*a);
	a->type = PERF_TYPE_SOFTWARE;
	a->config = PERF_COUNT_SW_TASK_CLOCK;
	a->sample_period = PA_NS_PER_S / pa_config()->cpu_rate;
	a->sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_REGS_USER |
			 PERF_SAMPLE_STACK_USER | (kernel ? (uint64_t)PERF_SAMPLE_CALLCHAIN : 0);
	a->sample_regs_user = PA_PERF_REGS_MASK;
	a->sample_stack_user = pa_perf.stack;
	a->disabled = 1;
	a->inherit = 1;
	a->inherit_thread = 1; /* threads, not forked children; Linux 5.13 */
	a->exclude_kernel = !kernel;
	a->exclude_hv = 1;
	a->exclude_callchain_user = 1;
}

static int event_open(pid_t tid, int cpu, bool kernel)
{
	struct perf_event_attr a;
	long fd;

	attr_set(&a, kernel);
	fd = syscall(SYS_perf_event_open, &a, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : pa_fd_high((int)fd);
}

static int event_add(int fd)
{
	struct event *e = &events[event_count];

	if (ioctl(fd, PERF_EVENT_IOC_ID, &e->id)) {
		int err = errno;

		close(fd);
		return -err;
	}
	e->fd = fd;
	event_count++;
	return 0;
}

/* The largest ring that the per-user limit (perf_event_mlock_kb) still allows. */
static int ring_map(struct pa_perf_ring *r, int fd, int cpus)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = 4u << 20;

	while (size * (size_t)cpus > RINGS_MAX && size > 2 * PA_PERF_RECORD_MAX)
		size /= 2;
	for (; size >= 2 * PA_PERF_RECORD_MAX; size /= 2) {
		void *p = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (p == MAP_FAILED)
			continue;
		r->page = p;
		r->size = size;
		return 0;
	}
	return -EPERM;
}

/* Calls visit for each CPU in a list such as "0-3,8" (sysfs). 0 or the first failure. */
static int each_cpu(const char *list, int (*visit)(int cpu, void *arg), void *arg)
{
	const char *end = list + strlen(list);
	uint64_t first, last;

	while (pa_scan_u64(&list, end, 10, &first)) {
		last = first;
		if (list < end && *list == '-') {
			list++;
			if (!pa_scan_u64(&list, end, 10, &last))
				return -EINVAL;
		}
		for (uint64_t cpu = first; cpu <= last && cpu < PA_PERF_CPUS_MAX; cpu++) {
			int err = visit((int)cpu, arg);

			if (err)
				return err;
		}
		if (list < end && *list == ',')
			list++;
	}
	return 0;
}

static int count_cpu(int cpu, void *arg)
{
	(void)cpu;
	++*(int *)arg;
	return 0;
}

struct opening {
	pid_t tid;
	int cpus;
	int next; /* CPUs done for this thread */
};

/* The first thread's event on a CPU owns the ring; those of others write into it. */
static int open_on_cpu(int cpu, void *arg)
{
	struct opening *o = arg;
	int i = o->next++, fd, err;

	if (event_count >= EVENTS_MAX)
		return -E2BIG;
	fd = event_open(o->tid, cpu, pa_perf.kernel);
	if (fd < 0)
		return fd;
	err = event_add(fd);
	if (err)
		return err;
	if (!pa_perf.rings[i].page)
		return ring_map(&pa_perf.rings[i], fd, o->cpus);
	if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, events[i].fd))
		return -errno;
	return 0;
}

static void close_all(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (int i = 0; i < event_count; i++)
		close(events[i].fd);
	for (int i = 0; i < PA_PERF_CPUS_MAX; i++) {
		if (pa_perf.rings[i].page)
			munmap(pa_perf.rings[i].page, pa_perf.rings[i].size + page);
	}
	memset(pa_perf.rings, 0, sizeof(pa_perf.rings));
	event_count = 0;
}

/* The main thread first, whose events the threads that it creates inherit; then the threads that
 * are there already. One that vanished meanwhile is no failure. */
static int open_threads(const char *cpu_list)
{
	struct opening o = {.cpus = pa_perf.cpus};
	int err;

	o.tid = getpid();
	err = each_cpu(cpu_list, open_on_cpu, &o);
	if (err)
		return err;
	for (uint32_t i = 0, n = pa_threads_limit(); i < n; i++) {
		struct pa_thread *t = pa_thread_slot(i);

		o.tid = t ? atomic_load(&t->tid) : 0;
		o.next = 0;
		if (!o.tid || o.tid == getpid())
			continue;
		err = each_cpu(cpu_list, open_on_cpu, &o);
		if (err && err != -ESRCH)
			return err;
	}
	return 0;
}

static int open_all(const char *cpu_list)
{
	int err;

	pa_perf.kernel = true;
	err = open_threads(cpu_list);
	if (err == -EACCES || err == -EPERM) {
		close_all();
		pa_perf.kernel = false; /* kernel.perf_event_paranoid >= 2, not privileged */
		err = open_threads(cpu_list);
	}
	if (err)
		close_all();
	return err;
}

/* How long it takes until the smallest ring is full. */
static uint64_t rings_ns(void)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < pa_perf.cpus; i++)
		least = PA_MIN(least, pa_perf.rings[i].size / pa_perf.stack);
	return least * PA_NS_PER_S / pa_config()->cpu_rate;
}

/* A seccomp filter may answer perf_event_open by killing us (systemd's @system-service does), so
 * under any filter it is not tried. Containers' default filters refuse it anyway. */
static bool seccomp_filtered(void)
{
	struct pa_thread_status st;

	return !pa_proc_thread_status((pid_t)syscall(SYS_gettid), &st) && st.seccomp != 0;
}

int pa_perf_open(void)
{
	char cpus[512];
	ssize_t len = pa_file_read_small("/sys/devices/system/cpu/online", cpus, sizeof(cpus));
	int err;

	if (seccomp_filtered())
		return -EACCES;
	if (len < 0)
		return (int)len;
	pa_perf.cpus = 0;
	if (each_cpu(cpus, count_cpu, &pa_perf.cpus) || !pa_perf.cpus)
		return -EINVAL;
	if (!events)
		events = pa_pages_alloc(EVENTS_MAX * sizeof(*events));
	if (!pa_perf.scratch)
		pa_perf.scratch = pa_pages_alloc(PA_PERF_RECORD_MAX);
	if (!events || !pa_perf.scratch)
		return -ENOMEM;
	pa_thread_scan(true, NULL, NULL);
	pa_perf.stack = PA_PERF_STACK;
	err = open_all(cpus);
	if (!err && rings_ns() < RING_NS_MIN) {
		close_all();
		pa_perf.stack = PA_PERF_STACK_SMALL;
		err = open_all(cpus);
	}
	return err;
}

static bool still_ours(const struct event *e)
{
	uint64_t id;

	return !ioctl(e->fd, PERF_EVENT_IOC_ID, &id) && id == e->id;
}

int pa_perf_switch(unsigned long request)
{
	int done = 0;

	for (int i = 0; i < event_count; i++) {
		if (still_ours(&events[i]) && !ioctl(events[i].fd, request, 0))
			done++;
	}
	return done;
}

/* Rings are not mapped in a child (VM_DONTCOPY) and events are not inherited by it; descriptors
 * are, close-on-exec. */
void pa_perf_fork_child(void)
{
	for (int i = 0; i < event_count; i++) {
		if (still_ours(&events[i]))
			close(events[i].fd);
	}
	memset(pa_perf.rings, 0, sizeof(pa_perf.rings));
	event_count = 0;
}
