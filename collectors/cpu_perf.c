/* SPDX-License-Identifier: Apache-2.0
 * CPU engine "perf": software clock events of perf_event_open(2), one set a CPU, inherited by
 * threads made later. No signal reaches the host; the kernel copies registers and stack into
 * rings that the agent thread unwinds. Chosen by PPROF_CPU_ENGINE=perf, because inherited events
 * cost each thread creation about a microsecond even while disabled. */
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/fmt.h"
#include "agent/base/peek.h"
#include "agent/core/collector.h"
#include "agent/core/config.h"
#include "agent/core/self.h"
#include "agent/host/thread.h"
#include "collectors/cpu.h"
#include "collectors/cpu_perf.h"

/* How much of each stack is read before a window, and how much of all together (20 ms). */
#define TOUCHED_BYTES ((size_t)256 << 10)
#define TOUCHED_PAGES ((size_t)32 << 10)

/* The window in progress. */
static struct {
	uint64_t process_cpu, agents_cpu; /* clocks when it began */
	uint64_t sampled, lost;
	uint32_t generation; /* in force when the rings were read last */
} now;

static uint64_t process_cpu(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * PA_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Skips what a window that was cut off, or a late event, left behind. */
static void rings_empty(void)
{
	for (int i = 0; i < PA_PERF_CPUS_MAX; i++) {
		struct perf_event_mmap_page *p = pa_perf.rings[i].page;

		if (p)
			__atomic_store_n(&p->data_tail,
					 __atomic_load_n(&p->data_head, __ATOMIC_ACQUIRE),
					 __ATOMIC_RELEASE);
	}
}

/* Reads one byte of each page of the stack, downwards; stops at one that cannot be read (the main
 * thread's stack has not grown to its limit) and when `pages` is used up. */
static void stack_touch(const struct pa_thread *t, size_t page, size_t *pages)
{
	uintptr_t low = t->stack_end - PA_MIN(t->stack_end - t->stack_low, TOUCHED_BYTES);
	uint8_t byte;

	for (uintptr_t at = t->stack_end - 1; at >= low && *pages; at -= page, --*pages) {
		if (pa_peek(at, &byte, 1) != 1)
			return;
	}
}

/* The kernel copies a stack with page faults off, so only up to the first page that was never
 * touched, a hole in some large array. Reading such a page gives it the shared page of zeros, which
 * takes no memory. Threads that start later are left as they are. */
static void stacks_touch(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = TOUCHED_PAGES;

	for (uint32_t i = 0, n = pa_threads_limit(); i < n; i++) {
		const struct pa_thread *t = pa_thread_slot(i);

		if (t && atomic_load(&t->tid) && t->stack_low)
			stack_touch(t, page, &pages);
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
	stacks_touch();
	now.sampled = now.lost = 0;
	now.process_cpu = process_cpu();
	now.agents_cpu = pa_thread_agents_cpu();
	now.generation = pa_unwind_generation();
	if (!pa_perf_switch(PERF_EVENT_IOC_ENABLE)) {
		pa_fmt(error, PA_COLLECT_ERROR_MAX, "the program has closed the perf events");
		return -EBADF;
	}
	return 0;
}

static void take_sample(struct pa_cpu_build *b, const void *body, size_t len)
{
	struct pa_perf_sample s;

	if (pa_perf_sample_parse(body, len, pa_perf.kernel, &s)) {
		now.lost++;
		return;
	}
	now.sampled++;
	if (s.has_user)
		pa_cpu_add_copy(b, &s.regs, &s.stack, s.kernel, s.kernel_count, now.generation, 1);
	else if (s.kernel_count)
		pa_cpu_add(b, s.kernel, s.kernel_count, PA_MODULES_NOW, PA_WALK_COMPLETE, 1);
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
		now.lost += lost;
	}
}

/* The record at `at`, in one piece: copied to scratch where it wraps. NULL: nonsense. */
static const struct perf_event_header *record_at(const struct pa_perf_ring *r, uint64_t at,
						 uint64_t head)
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
	memcpy(pa_perf.scratch, data + from, first);
	memcpy(pa_perf.scratch + first, data, h->size - first);
	return (const void *)pa_perf.scratch;
}

static void ring_drain(struct pa_cpu_build *b, struct pa_perf_ring *r)
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
	uint64_t samples = pa_perf.rings[0].size / (pa_perf.stack + 512);

	for (int i = 0; i < pa_perf.cpus; i++) {
		if (pa_perf.rings[i].page)
			ring_drain(b, &pa_perf.rings[i]);
	}
	now.generation = pa_unwind_generation();
	return PA_MIN(20 * PA_NS_PER_MS, samples * b->period_ns / 2);
}

/* What the process' clock says beyond samples and the agent's own threads: the time that an
 * unprivileged event may not look into, or that the clock event missed. */
static void add_missing(struct pa_cpu_build *b)
{
	uint64_t agents = pa_thread_agents_cpu() - now.agents_cpu;
	uint64_t used = process_cpu() - now.process_cpu;
	uint64_t seen = (now.sampled + now.lost) * b->period_ns + agents;

	if (used < seen + 2 * b->period_ns || used - seen < used / 50)
		return;
	pa_cpu_add_pseudo(b, pa_perf.kernel ? PA_PSEUDO_UNSAMPLED : PA_PSEUDO_KERNEL, 0,
			  (used - seen + b->period_ns / 2) / b->period_ns);
}

static void stop(struct pa_cpu_build *b)
{
	pa_perf_switch(PERF_EVENT_IOC_DISABLE);
	drain(b);
	pa_self_add(PA_SELF_cpu_samples_lost, now.lost);
	pa_cpu_add_pseudo(b, PA_PSEUDO_LOST, 0, now.lost);
	add_missing(b);
}

const struct pa_cpu_engine pa_cpu_perf = {
	.name = "perf",
	.open = pa_perf_open,
	.start = start,
	.drain = drain,
	.stop = stop,
	.fork_child = pa_perf_fork_child,
};
