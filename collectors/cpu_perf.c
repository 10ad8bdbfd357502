/* SPDX-License-Identifier: Apache-2.0
 * CPU engine "perf": software clock events of perf_event_open(2), one set a CPU, inherited by
 * threads made later. No signal reaches the host; the kernel copies registers and stack into
 * rings that the agent thread unwinds. Chosen by PPROF_CPU_ENGINE=perf, because inherited events
 * cost each thread creation about a microsecond even while disabled. */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/base/fmt.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/core/collector.h"
#include "agent/core/config.h"
#include "agent/core/self.h"
#include "agent/host/proc.h"
#include "agent/host/thread.h"
#include "collectors/cpu.h"
#include "collectors/cpu_perf.h"

#define CPUS_MAX   1024
#define EVENTS_MAX 8192        /* threads found at the start times CPUs */
#define RINGS_MAX  (16u << 20) /* bytes of all rings together */

struct event {
	int fd;
	uint64_t id; /* tells our event from whatever the host may have put on that number */
};

struct ring {
	struct perf_event_mmap_page *page;
	size_t size; /* data bytes, power of two */
};

static struct {
	struct event *events; /* the first `cpus` own the rings */
	int event_count;
	struct ring rings[CPUS_MAX];
	int cpus;
	bool kernel; /* kernel frames are sampled too */
	uint8_t *scratch;
	uint64_t process_cpu, agents_cpu, sampled, lost;
} perf;

static uint64_t process_cpu(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * PA_NS_PER_S + (uint64_t)ts.tv_nsec;
}

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
	a->sample_stack_user = PA_PERF_STACK;
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
	struct event *e = &perf.events[perf.event_count];

	if (ioctl(fd, PERF_EVENT_IOC_ID, &e->id)) {
		int err = errno;

		close(fd);
		return -err;
	}
	e->fd = fd;
	perf.event_count++;
	return 0;
}

/* The largest ring that the per-user limit (perf_event_mlock_kb) still allows. */
static int ring_map(struct ring *r, int fd, int cpus)
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
		for (uint64_t cpu = first; cpu <= last && cpu < CPUS_MAX; cpu++) {
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

	if (perf.event_count >= EVENTS_MAX)
		return -E2BIG;
	fd = event_open(o->tid, cpu, perf.kernel);
	if (fd < 0)
		return fd;
	err = event_add(fd);
	if (err)
		return err;
	if (!perf.rings[i].page)
		return ring_map(&perf.rings[i], fd, o->cpus);
	if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, perf.events[i].fd))
		return -errno;
	return 0;
}

static void close_all(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (int i = 0; i < perf.event_count; i++)
		close(perf.events[i].fd);
	for (int i = 0; i < CPUS_MAX; i++) {
		if (perf.rings[i].page)
			munmap(perf.rings[i].page, perf.rings[i].size + page);
	}
	memset(perf.rings, 0, sizeof(perf.rings));
	perf.event_count = 0;
}

/* The main thread first, whose events the threads that it creates inherit; then the threads that
 * are there already. One that vanished meanwhile is no failure. */
static int open_threads(const char *cpu_list)
{
	struct opening o = {.cpus = perf.cpus};
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

/* A seccomp filter may answer perf_event_open by killing us (systemd's @system-service does), so
 * under any filter it is not tried. Containers' default filters refuse it anyway. */
static bool seccomp_filtered(void)
{
	struct pa_thread_status st;

	return !pa_proc_thread_status((pid_t)syscall(SYS_gettid), &st) && st.seccomp != 0;
}

static int open_events(void)
{
	char cpus[512];
	ssize_t len = pa_file_read_small("/sys/devices/system/cpu/online", cpus, sizeof(cpus));
	int err;

	if (seccomp_filtered())
		return -EACCES;
	if (len < 0)
		return (int)len;
	perf.cpus = 0;
	if (each_cpu(cpus, count_cpu, &perf.cpus) || !perf.cpus)
		return -EINVAL;
	if (!perf.events)
		perf.events = pa_pages_alloc(EVENTS_MAX * sizeof(*perf.events));
	if (!perf.scratch)
		perf.scratch = pa_pages_alloc(PA_PERF_RECORD_MAX);
	if (!perf.events || !perf.scratch)
		return -ENOMEM;
	pa_thread_scan(true, NULL, NULL);
	perf.kernel = true;
	err = open_threads(cpus);
	if (err == -EACCES || err == -EPERM) {
		close_all();
		perf.kernel = false; /* kernel.perf_event_paranoid >= 2, not privileged */
		err = open_threads(cpus);
	}
	if (err)
		close_all();
	return err;
}

static bool still_ours(const struct event *e)
{
	uint64_t id;

	return !ioctl(e->fd, PERF_EVENT_IOC_ID, &id) && id == e->id;
}

static int switch_all(unsigned long request)
{
	int done = 0;

	for (int i = 0; i < perf.event_count; i++) {
		if (still_ours(&perf.events[i]) && !ioctl(perf.events[i].fd, request, 0))
			done++;
	}
	return done;
}

/* Skips what a window that was cut off, or a late event, left behind. */
static void rings_empty(void)
{
	for (int i = 0; i < CPUS_MAX; i++) {
		struct perf_event_mmap_page *p = perf.rings[i].page;

		if (p)
			__atomic_store_n(&p->data_tail,
					 __atomic_load_n(&p->data_head, __ATOMIC_ACQUIRE),
					 __ATOMIC_RELEASE);
	}
}

static int start(struct pa_cpu_build *b, char *error)
{
	if (b->hz != pa_config()->cpu_rate) {
		pa_fmt(error, PA_COLLECT_ERROR_MAX,
		       "the perf engine samples at CPU_PROFILE_RATE (%u Hz) only: its events were "
		       "opened with the program",
		       pa_config()->cpu_rate);
		return -EINVAL;
	}
	rings_empty();
	perf.sampled = perf.lost = 0;
	perf.process_cpu = process_cpu();
	perf.agents_cpu = pa_thread_agents_cpu();
	if (!switch_all(PERF_EVENT_IOC_ENABLE)) {
		pa_fmt(error, PA_COLLECT_ERROR_MAX, "the program has closed the perf events");
		return -EBADF;
	}
	return 0;
}

static void take_sample(struct pa_cpu_build *b, const void *body, size_t len)
{
	struct pa_perf_sample s;

	if (pa_perf_sample_parse(body, len, perf.kernel, &s)) {
		perf.lost++;
		return;
	}
	perf.sampled++;
	if (s.has_user)
		pa_cpu_add_copy(b, &s.regs, &s.stack, s.kernel, s.kernel_count, 1);
	else if (s.kernel_count)
		pa_cpu_add(b, s.kernel, s.kernel_count, PA_WALK_COMPLETE, 1);
	else
		pa_cpu_add_pseudo(b, PA_PSEUDO_UNSAMPLED, 0, 1);
}

static void take_record(struct pa_cpu_build *b, const struct perf_event_header *h)
{
	const uint8_t *body = (const uint8_t *)(h + 1);
	size_t len = h->size - sizeof(*h);
	uint64_t lost;

	if (h->type == PERF_RECORD_SAMPLE) {
		take_sample(b, body, len);
	} else if (h->type == PERF_RECORD_LOST && len >= 16) {
		memcpy(&lost, body + 8, 8); /* u64 id, u64 lost */
		perf.lost += lost;
	}
}

/* The record at `at`, in one piece: copied to scratch where it wraps. NULL: nonsense. */
static const struct perf_event_header *record_at(const struct ring *r, uint64_t at, uint64_t head)
{
	const uint8_t *data = (const uint8_t *)r->page + r->page->data_offset;
	uint64_t from = at & (r->size - 1);
	const struct perf_event_header *h = (const void *)(data + from);
	size_t first;

	/* Headers are 8-byte aligned and 8 bytes long, so never wrap themselves. */
	if (h->size < sizeof(*h) || h->size > head - at)
		return NULL;
	if (from + h->size <= r->size)
		return h;
	first = r->size - from;
	memcpy(perf.scratch, data + from, first);
	memcpy(perf.scratch + first, data, h->size - first);
	return (const void *)perf.scratch;
}

static void ring_drain(struct pa_cpu_build *b, struct ring *r)
{
	uint64_t tail = r->page->data_tail;
	/* Pairs with the kernel's barrier before it moves data_head (perf_output_put_handle). */
	uint64_t head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);

	while (tail < head) {
		const struct perf_event_header *h = record_at(r, tail, head);

		if (!h) {
			tail = head;
			break;
		}
		take_record(b, h);
		tail += h->size;
	}
	__atomic_store_n(&r->page->data_tail, tail, __ATOMIC_RELEASE);
}

/* Often enough that half a ring is never passed by: a sample is the stack copy and some 300
 * bytes. */
static uint64_t drain(struct pa_cpu_build *b)
{
	uint64_t samples = perf.rings[0].size / (PA_PERF_STACK + 512);

	for (int i = 0; i < perf.cpus; i++) {
		if (perf.rings[i].page)
			ring_drain(b, &perf.rings[i]);
	}
	return PA_MIN(20 * PA_NS_PER_MS, samples * b->period_ns / 2);
}

/* What the process' clock says beyond samples and the agent's own threads: the time that an
 * unprivileged event may not look into, or that the clock event missed. */
static void add_missing(struct pa_cpu_build *b)
{
	uint64_t agents = pa_thread_agents_cpu() - perf.agents_cpu;
	uint64_t used = process_cpu() - perf.process_cpu;
	uint64_t seen = (perf.sampled + perf.lost) * b->period_ns + agents;

	if (used < seen + 2 * b->period_ns || used - seen < used / 50)
		return;
	pa_cpu_add_pseudo(b, perf.kernel ? PA_PSEUDO_UNSAMPLED : PA_PSEUDO_KERNEL, 0,
			  (used - seen + b->period_ns / 2) / b->period_ns);
}

static void stop(struct pa_cpu_build *b)
{
	switch_all(PERF_EVENT_IOC_DISABLE);
	drain(b);
	pa_self_add(PA_SELF_cpu_samples_lost, perf.lost);
	pa_cpu_add_pseudo(b, PA_PSEUDO_LOST, 0, perf.lost);
	add_missing(b);
}

/* Rings are not mapped in a child (VM_DONTCOPY) and events are not inherited by it; descriptors
 * are, close-on-exec. */
static void fork_child(void)
{
	for (int i = 0; i < perf.event_count; i++) {
		if (still_ours(&perf.events[i]))
			close(perf.events[i].fd);
	}
	memset(perf.rings, 0, sizeof(perf.rings));
	perf.event_count = 0;
}

const struct pa_cpu_engine pa_cpu_perf = {
	.name = "perf",
	.open = open_events,
	.start = start,
	.drain = drain,
	.stop = stop,
	.fork_child = fork_child,
};
