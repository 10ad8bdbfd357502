/* SPDX-License-Identifier: Apache-2.0
 * CPU engine "timer": one timer on each thread's CPU clock, which ticks only while the thread
 * runs, so no blocked thread is ever disturbed (timer_create(2), SIGEV_THREAD_ID). Timers exist
 * only while a window is open. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/fmt.h"
#include "agent/base/lock.h"
#include "agent/base/log.h"
#include "agent/base/random.h"
#include "agent/core/collector.h"
#include "agent/core/config.h"
#include "agent/core/self.h"
#include "agent/host/proc.h"
#include "agent/host/signal.h"
#include "agent/host/thread.h"
#include "collectors/cpu.h"
#include "collectors/cpu_timer.h"

/* A handler needs the signal frame (3.4 KiB with AVX-512: AT_MINSIGSTKSZ) and about 1 KiB; on a
 * stack of less than this it may not fit beside what the host itself needs. */
#define STACK_MIN (32u << 10)

#define SCAN_NS  (100 * PA_NS_PER_MS)
#define AGAIN_NS PA_NS_PER_S /* between looks at a thread that could not be given a timer */
#define DRAIN_NS (20 * PA_NS_PER_MS)

static _Atomic uint64_t random_state = 0x9e3779b97f4a7c15ull;
static uint64_t next_scan, next_again;

static void reason_set(struct pa_thread *t, enum pa_pseudo why)
{
	atomic_store(&t->cpu_reason, (uint32_t)why + 1);
}

/* Uniform in (0, period]: threads that use less than a period of CPU time are sampled with the
 * right probability too. */
static uint64_t first_tick(uint64_t period)
{
	uint64_t state = atomic_fetch_add(&random_state, 0x9e3779b97f4a7c15ull) | 1;

	return 1 + pa_random(&state) % period;
}

static void timespec_set(struct timespec *ts, uint64_t ns)
{
	ts->tv_sec = (time_t)(ns / PA_NS_PER_S);
	ts->tv_nsec = (long)(ns % PA_NS_PER_S);
}

/* Makes and starts the kernel timer; its id or -errno. Raw system calls: libc's timer_create keeps
 * a list under a lock and knows no thread id of a thread that libc did not make. */
static int64_t kernel_timer_start(const struct pa_thread *t, pid_t tid, uint32_t generation)
{
	const struct pa_cpu_session *s = &pa_cpu_session;
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = s->signo};
	struct itimerspec when;
	int id;

	ev.sigev_value.sival_ptr = (void *)(uintptr_t)pa_cpu_cookie(t->index, generation);
	ev._sigev_un._tid = tid; /* sigev_notify_thread_id has no name in glibc < 2.38 */
	if (syscall(SYS_timer_create, PA_THREAD_CPU_CLOCK(tid), &ev, &id))
		return -errno;
	timespec_set(&when.it_interval, s->period_ns);
	timespec_set(&when.it_value, first_tick(s->period_ns));
	if (syscall(SYS_timer_settime, id, 0, &when, NULL)) {
		int err = errno;

		syscall(SYS_timer_delete, id);
		return -err;
	}
	return id;
}

static void disarm(struct pa_thread *t)
{
	int64_t timer = atomic_load(&t->cpu_timer);

	/* -1: the other side is at it, a matter of two system calls. */
	for (int tries = 0; timer == -1 && tries < 1000; tries++) {
		sched_yield();
		timer = atomic_load(&t->cpu_timer);
	}
	if (timer > 0 && atomic_compare_exchange_strong(&t->cpu_timer, &timer, -1)) {
		syscall(SYS_timer_delete, (int)(timer - 1));
		atomic_store(&t->cpu_timer, 0);
	}
}

/* Begins counting for a thread whose CPU clock stands at cpu_start. */
static void count_from(struct pa_thread *t, uint64_t cpu_start)
{
	uint32_t window = atomic_load(&pa_cpu_session.window);

	if (atomic_load(&t->cpu_window) == window)
		return;
	atomic_store(&t->cpu_ticks, 0);
	atomic_store(&t->cpu_start, cpu_start);
	atomic_store(&t->cpu_reason, 0);
	atomic_store(&t->cpu_window, window);
}

/* Gives the thread a timer unless it has one. Both the thread itself (at its start) and the agent
 * may come here for one slot; the compare-and-swap lets one through. */
static void arm(struct pa_thread *t)
{
	uint32_t generation = atomic_load(&t->generation);
	pid_t tid = atomic_load(&t->tid);
	int64_t none = 0, id;

	if (t->stack_low && t->stack_end - t->stack_low < STACK_MIN) {
		reason_set(t, PA_PSEUDO_SMALL_STACK);
		return;
	}
	if (atomic_load(&t->cpu_timer) > 0 && atomic_load(&t->cpu_timer_generation) != generation)
		disarm(t); /* left behind by a thread that had this slot */
	if (!tid || !atomic_compare_exchange_strong(&t->cpu_timer, &none, -1))
		return;
	id = kernel_timer_start(t, tid, generation);
	if (id < 0)
		reason_set(t, PA_PSEUDO_UNSAMPLED);
	atomic_store(&t->cpu_timer_generation, generation);
	atomic_store(&t->cpu_timer, id < 0 ? 0 : id + 1);
	if (atomic_load(&t->generation) != generation)
		disarm(t); /* it exited meanwhile */
}

static bool signal_blocked(uint64_t mask)
{
	return mask >> (pa_cpu_session.signo - 1) & 1;
}

/* Whether the thread's counters belong to the window in progress. */
static bool counts_now(const struct pa_thread *t)
{
	const struct pa_cpu_session *s = &pa_cpu_session;

	return atomic_load(&s->active) && atomic_load(&t->cpu_window) == atomic_load(&s->window);
}

/* Agent's side: looks at the thread from outside first. One that could not be given a timer in
 * this window is looked at again only if asked to. */
static void arm_from_outside(struct pa_thread *t, bool again)
{
	struct pa_thread_status st;
	pid_t tid = atomic_load(&t->tid);
	uint64_t cpu;

	if (!tid || atomic_load(&t->state) == PA_THREAD_FREE || atomic_load(&t->cpu_timer) > 0)
		return;
	if (counts_now(t) && atomic_load(&t->cpu_reason) && !again)
		return;
	if (pa_clock_thread_cpu(tid, &cpu) || pa_proc_thread_status(tid, &st))
		return;
	count_from(t, cpu);
	if (signal_blocked(st.blocked)) {
		reason_set(t, PA_PSEUDO_SIGNALS_BLOCKED);
		return;
	}
	arm(t);
}

static void arm_all(bool again)
{
	for (uint32_t i = 0, n = pa_threads_limit(); i < n; i++) {
		struct pa_thread *t = pa_thread_slot(i);

		if (t)
			arm_from_outside(t, again);
	}
}

/* CPU time that no tick stands for, in periods; 0 when it is within the jitter of a few ticks. */
static uint64_t missing_periods(const struct pa_thread *t, uint64_t cpu_now)
{
	uint64_t period = pa_cpu_session.period_ns;
	uint64_t used = cpu_now - PA_MIN(atomic_load(&t->cpu_start), cpu_now);
	uint64_t counted = atomic_load(&t->cpu_ticks) * period;

	if (used < counted + 2 * period || used - counted < used / 20)
		return 0;
	return (used - counted + period / 2) / period;
}

/* blocked_now: whether the thread blocks the sampling signal at this moment, which it may have
 * begun to do after it got its timer. */
static enum pa_pseudo missing_reason(const struct pa_thread *t, bool blocked_now)
{
	uint32_t reason = atomic_load(&t->cpu_reason);

	if (reason)
		return (enum pa_pseudo)(reason - 1);
	return blocked_now ? PA_PSEUDO_SIGNALS_BLOCKED : PA_PSEUDO_UNSAMPLED;
}

/* Whether the calling thread blocks the sampling signal. */
static bool blocked_here(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	return sigismember(&mask, pa_cpu_session.signo) == 1;
}

static void thread_start(struct pa_thread *t)
{
	struct pa_cpu_session *s = &pa_cpu_session;

	if (!atomic_load(&s->active) || s->quiet_hooks)
		return;
	count_from(t, 0);
	if (blocked_here())
		reason_set(t, PA_PSEUDO_SIGNALS_BLOCKED);
	else
		arm(t);
}

/* On the exiting thread: its clock is still readable, so what is missing is known. */
static void thread_exit(struct pa_thread *t)
{
	struct pa_cpu_record *r;
	struct timespec now;
	uint64_t missing;

	if (pa_cpu_session.quiet_hooks)
		return;
	if (atomic_load(&t->cpu_timer))
		disarm(t);
	atomic_fetch_add(&pa_cpu_session.handlers, 1); /* as the handler does: keeps the rings */
	if (counts_now(t) && !clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)) {
		missing = missing_periods(t, (uint64_t)now.tv_sec * PA_NS_PER_S +
						     (uint64_t)now.tv_nsec);
		r = missing ? pa_ring_reserve(pa_cpu_ring(t->index), sizeof(*r) + 8) : NULL;
		if (r) {
			*r = (struct pa_cpu_record){PA_CPU_PSEUDO, 0, (uint32_t)missing,
						    (uint32_t)missing_reason(t, blocked_here()),
						    t->index};
			r->words[0] = t->start_routine;
			pa_ring_commit(r);
		}
	}
	atomic_fetch_sub(&pa_cpu_session.handlers, 1);
}

/* Whether some host thread has put more seccomp filters on itself than this one has: its hooks
 * then make no system call, in case the filter kills. */
static bool threads_under_seccomp(void)
{
	struct pa_thread_status mine, st;

	if (pa_proc_thread_status((pid_t)syscall(SYS_gettid), &mine))
		return false;
	for (uint32_t i = 0, n = pa_threads_limit(); i < n; i++) {
		struct pa_thread *t = pa_thread_slot(i);
		pid_t tid = t ? atomic_load(&t->tid) : 0;

		if (!tid || pa_proc_thread_status(tid, &st))
			continue;
		if (st.seccomp != mine.seccomp || st.seccomp_filters != mine.seccomp_filters)
			return true;
	}
	return false;
}

static void rings_free(struct pa_cpu_session *s)
{
	for (int i = 0; i < PA_CPU_SHARDS; i++)
		pa_ring_done(&s->rings[i]);
}

static int rings_new(struct pa_cpu_session *s)
{
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
	pa_thread_scan(true, NULL, disarm);
	s->quiet_hooks = threads_under_seccomp();
	atomic_fetch_add(&s->window, 1);
	/* New threads look after themselves from here on; then the ones that are here already. */
	atomic_store(&s->active, true);
	arm_all(true);
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
		pa_cpu_add(b, r->words, (int)r->count, (enum pa_walk_end)r->end, r->weight);
		break;
	case PA_CPU_COPY:
		stack = (struct pa_stack_view){copy->lo, copy->lo + r->count, copy->bytes};
		pa_cpu_add_copy(b, &copy->regs, &stack, NULL, 0, r->weight);
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
	for (uint32_t i = 0, n = pa_threads_limit(); i < n; i++) {
		struct pa_thread *t = pa_thread_slot(i);

		if (t)
			disarm(t);
	}
	arm_all(true);
}

static uint64_t drain(struct pa_cpu_build *b)
{
	uint64_t now = pa_clock_mono();

	drain_rings(b);
	if (!pa_signal_undisputed(pa_cpu_session.signo))
		change_signal();
	if (now >= next_scan || pa_cpu_session.quiet_hooks) {
		bool again = now >= next_again;

		next_scan = now + SCAN_NS;
		next_again = again ? now + AGAIN_NS : next_again;
		pa_thread_scan(false, NULL, disarm);
		arm_all(again); /* found by the scan, or signals unblocked by now */
	}
	return DRAIN_NS;
}

/* A handler that the scheduler keeps from running for long (SIGSTOP, a debugger) keeps the rings:
 * leaking them once is better than freeing what it is about to write to. */
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

/* What each living thread's clock says beyond its ticks. */
static void add_missing(struct pa_cpu_build *b)
{
	uint32_t window = atomic_load(&pa_cpu_session.window);

	for (uint32_t i = 0, n = pa_threads_limit(); i < n; i++) {
		struct pa_thread *t = pa_thread_slot(i);
		pid_t tid = t ? atomic_load(&t->tid) : 0;
		struct pa_thread_status st = {0};
		uint64_t cpu, missing;

		if (!tid || atomic_load(&t->cpu_window) != window || pa_clock_thread_cpu(tid, &cpu))
			continue;
		missing = missing_periods(t, cpu);
		if (!missing || pa_proc_thread_status(tid, &st))
			continue;
		pa_cpu_add_pseudo(b, missing_reason(t, signal_blocked(st.blocked)),
				  t->start_routine, missing);
	}
}

static void stop(struct pa_cpu_build *b)
{
	struct pa_cpu_session *s = &pa_cpu_session;
	uint64_t lost;

	for (uint32_t i = 0, n = pa_threads_limit(); i < n; i++) {
		struct pa_thread *t = pa_thread_slot(i);

		if (t)
			disarm(t);
	}
	add_missing(b);
	atomic_store(&s->active, false);
	if (!handlers_done(s)) {
		pa_warn("a thread is stopped inside a sampling handler: 8 MiB stay allocated");
		drain_rings(b);
		memset(s->rings, 0, sizeof(s->rings));
	} else {
		drain_rings(b);
		rings_free(s);
	}
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
	if (was_active)
		rings_free(s);
}

const struct pa_cpu_engine pa_cpu_timer = {
	.name = "timer",
	.start = start,
	.drain = drain,
	.stop = stop,
	.thread_start = thread_start,
	.thread_exit = thread_exit,
	.fork_child = fork_child,
};
