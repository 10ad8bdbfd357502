/* SPDX-License-Identifier: Apache-2.0
 * CPU engine "timer": one timer on each thread's CPU clock, which ticks only while the thread
 * runs, so no blocked thread is ever disturbed (timer_create(2), SIGEV_THREAD_ID). Timers exist
 * only while a window is open. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/fmt.h"
#include "agent/base/lock.h"
#include "agent/base/log.h"
#include "agent/core/collector.h"
#include "agent/core/config.h"
#include "agent/core/self.h"
#include "agent/host/proc.h"
#include "agent/host/signal.h"
#include "agent/host/thread.h"
#include "collectors/cpu.h"
#include "collectors/cpu_timer.h"

#define SCAN_NS  (100 * PA_NS_PER_MS)
#define AGAIN_NS PA_NS_PER_S /* between looks at a thread that could not be given a timer */
#define DRAIN_NS (20 * PA_NS_PER_MS)

static uint64_t next_scan, next_again;

/* The rings of the last window are still there, as a handler may be writing to them. */
static bool rings_kept;

static void rings_free(struct pa_cpu_session *s)
{
	for (int i = 0; i < PA_CPU_SHARDS; i++)
		pa_ring_done(&s->rings[i]);
	rings_kept = false;
}

static void rings_empty(struct pa_cpu_session *s)
{
	uint32_t bytes;

	for (int i = 0; i < PA_CPU_SHARDS; i++) {
		while (pa_ring_peek(&s->rings[i], &bytes))
			pa_ring_pop(&s->rings[i]);
	}
}

static int rings_new(struct pa_cpu_session *s)
{
	if (rings_kept && atomic_load(&s->handlers)) {
		rings_empty(s);
		return 0;
	}
	if (rings_kept)
		rings_free(s);
	for (int i = 0; i < PA_CPU_SHARDS; i++) {
		int err = pa_ring_init(&s->rings[i], PA_CPU_SHARD_SIZE);

		if (err) {
			while (i-- > 0)
				pa_ring_done(&s->rings[i]);
			return err;
		}
	}
	return 0;
}

static int start(struct pa_cpu_build *b, char *error)
{
	struct pa_cpu_session *s = &pa_cpu_session;
	unsigned tick = pa_clock_tick_hz();
	struct pa_thread_status own;
	int err;

	if (b->hz > tick) {
		pa_fmt(error, PA_COLLECT_ERROR_MAX,
		       "rate %u Hz is above the kernel's timer tick of %u Hz: ask for less, or run "
		       "with PPROF_CPU_ENGINE=perf",
		       b->hz, tick);
		return -EINVAL;
	}
	s->signo = pa_signal_claim(pa_cpu_timer_handler);
	if (s->signo < 0) {
		pa_fmt(error, PA_COLLECT_ERROR_MAX, "no signal is free: the program uses them all");
		return s->signo;
	}
	err = rings_new(s);
	if (err)
		return err;
	s->period_ns = b->period_ns;
	s->overrun_max = (uint32_t)(PA_NS_PER_S / b->period_ns);
	s->copy_all = strcmp(pa_config()->unwinder, "libunwind") == 0;
	atomic_store(&s->lost, 0);
	pa_thread_scan(true, NULL, pa_cpu_disarm);
	if (!pa_proc_thread_status((pid_t)syscall(SYS_gettid), &own)) {
		s->seccomp = own.seccomp;
		s->seccomp_filters = own.seccomp_filters;
	}
	atomic_fetch_add(&s->window, 1);
	/* New threads look after themselves from here on; then the ones that are here already. */
	atomic_store(&s->active, true);
	pa_cpu_arm_all(true);
	next_scan = pa_clock_mono() + SCAN_NS;
	next_again = pa_clock_mono() + AGAIN_NS;
	return 0;
}

static void take_record(struct pa_cpu_build *b, const struct pa_cpu_record *r)
{
	const struct pa_cpu_copy *copy = (const struct pa_cpu_copy *)r->words;
	struct pa_stack_view stack;

	switch (r->kind) {
	case PA_CPU_STACK:
		pa_cpu_add(b, r->words, (int)r->count, r->generation, (enum pa_walk_end)r->end,
			   r->weight);
		break;
	case PA_CPU_COPY:
		stack = (struct pa_stack_view){copy->lo, copy->lo + r->count, copy->bytes};
		pa_cpu_add_copy(b, &copy->regs, &stack, NULL, 0, r->generation, r->weight);
		break;
	case PA_CPU_PSEUDO:
		pa_cpu_add_pseudo(b, (enum pa_pseudo)r->count, r->words[0], r->weight);
		break;
	default:
		break;
	}
}

static void drain_rings(struct pa_cpu_build *b)
{
	for (int i = 0; i < PA_CPU_SHARDS; i++) {
		struct pa_ring *ring = &pa_cpu_session.rings[i];
		const struct pa_cpu_record *r;
		uint32_t bytes;

		while ((r = pa_ring_peek(ring, &bytes))) {
			take_record(b, r);
			pa_ring_pop(ring);
		}
	}
}

/* All timers again with another signal, after the host showed interest in ours. */
static void change_signal(void)
{
	struct pa_cpu_session *s = &pa_cpu_session;
	int signo = pa_signal_claim(pa_cpu_timer_handler);

	if (signo < 0)
		return;
	pa_info("the program uses signal %d itself: sampling goes on with signal %d", s->signo,
		signo);
	s->signo = signo;
	pa_cpu_disarm_all();
	pa_cpu_arm_all(true);
}

static uint64_t drain(struct pa_cpu_build *b)
{
	uint64_t now = pa_clock_mono();

	drain_rings(b);
	if (!pa_signal_undisputed(pa_cpu_session.signo))
		change_signal();
	if (now >= next_scan) {
		bool again = now >= next_again;

		/* A library closed and another opened in its place, with nothing that tells them
		 * apart but their contents, is noticed here at the latest. */
		if (again && pa_unwind_update())
			pa_debug("unwind tables not complete");

		next_scan = now + SCAN_NS;
		next_again = again ? now + AGAIN_NS : next_again;
		pa_thread_scan(false, NULL, pa_cpu_disarm);
		pa_cpu_arm_all(again); /* found by the scan, or signals unblocked by now */
	}
	return DRAIN_NS;
}

/* A handler that the scheduler keeps from running for long (a debugger, real-time threads) keeps
 * the rings: what it is about to write to must stay where it is. */
static bool handlers_done(struct pa_cpu_session *s)
{
	uint64_t deadline = pa_clock_mono() + PA_NS_PER_S;
	static _Atomic uint32_t never;

	while (atomic_load(&s->handlers)) {
		if (pa_clock_mono() > deadline)
			return false;
		pa_futex_wait(&never, 0, PA_NS_PER_MS);
	}
	return true;
}

static void stop(struct pa_cpu_build *b)
{
	struct pa_cpu_session *s = &pa_cpu_session;
	uint64_t lost;

	pa_cpu_disarm_all();
	pa_cpu_add_missing(b);
	atomic_store(&s->active, false);
	pa_cpu_disarm_all(); /* threads that began meanwhile */
	rings_kept = !handlers_done(s);
	drain_rings(b);
	if (rings_kept)
		pa_info("a thread is stopped inside a sampling handler: the buffers are kept");
	else
		rings_free(s);
	lost = atomic_load(&s->lost);
	pa_self_add(PA_SELF_cpu_samples_lost, lost);
	pa_cpu_add_pseudo(b, PA_PSEUDO_LOST, 0, lost);
}

static void fork_child(void)
{
	struct pa_cpu_session *s = &pa_cpu_session;
	bool was_active = atomic_load(&s->active);

	atomic_store(&s->active, false);
	atomic_store(&s->handlers, 0);
	if (was_active || rings_kept)
		rings_free(s);
}

const struct pa_cpu_engine pa_cpu_timer = {
	.name = "timer",
	.start = start,
	.drain = drain,
	.stop = stop,
	.thread_start = pa_cpu_thread_start,
	.thread_exit = pa_cpu_thread_exit,
	.thread_sandbox = pa_cpu_thread_sandbox,
	.fork_child = fork_child,
};
