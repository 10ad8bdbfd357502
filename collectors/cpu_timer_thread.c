/* SPDX-License-Identifier: Apache-2.0
 * One thread's CPU timer and the count of its ticks: given and taken away by the thread itself at
 * its start and end, by the agent in between. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/random.h"
#include "agent/host/proc.h"
#include "agent/host/signal.h"
#include "agent/host/thread.h"
#include "collectors/cpu.h"
#include "collectors/cpu_timer.h"

/* A handler needs the signal frame (3.4 KiB with AVX-512: AT_MINSIGSTKSZ) and about 1 KiB; on a
 * stack of less than this it may not fit beside what the host itself needs. */
#define STACK_MIN (32u << 10)

static _Atomic uint64_t random_state = 0x9e3779b97f4a7c15ull;

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
static int64_t kernel_timer_start(const struct pa_thread *t, pid_t tid, uint32_t generation,
				  uint64_t cpu_now)
{
	const struct pa_cpu_session *s = &pa_cpu_session;
	uint64_t tick = atomic_load(&t->cpu_start) + atomic_load(&t->cpu_first);
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = s->signo};
	struct itimerspec when;
	int id;

	ev.sigev_value.sival_ptr = (void *)(uintptr_t)pa_cpu_cookie(t->index, generation);
	ev._sigev_un._tid = tid; /* sigev_notify_thread_id has no name in glibc < 2.38 */
	if (syscall(SYS_timer_create, PA_THREAD_CPU_CLOCK(tid), &ev, &id))
		return -errno;
	/* The thread had another timer before when the signal was changed: in step with that. */
	if (tick <= cpu_now)
		tick += ((cpu_now - tick) / s->period_ns + 1) * s->period_ns;
	timespec_set(&when.it_interval, s->period_ns);
	timespec_set(&when.it_value, tick);
	if (syscall(SYS_timer_settime, id, TIMER_ABSTIME, &when, NULL)) {
		int err = errno;

		syscall(SYS_timer_delete, id);
		return -err;
	}
	return id;
}

void pa_cpu_disarm(struct pa_thread *t)
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
	atomic_store(&t->cpu_first, first_tick(pa_cpu_session.period_ns));
	atomic_store(&t->cpu_reason, 0);
	atomic_store(&t->cpu_window, window);
}

/* Gives the thread a timer unless it has one. Its clock stands at cpu_now or later. Both the thread
 * itself (at its start) and the agent may come here for one slot; the compare-and-swap lets one
 * through. */
static void arm(struct pa_thread *t, uint64_t cpu_now)
{
	uint32_t generation = atomic_load(&t->generation);
	pid_t tid = atomic_load(&t->tid);
	int64_t none = 0, id;

	if (atomic_load(&t->small_stack) ||
	    (t->stack_low && t->stack_end - t->stack_low < STACK_MIN)) {
		reason_set(t, PA_PSEUDO_SMALL_STACK);
		return;
	}
	if (atomic_load(&t->cpu_timer) > 0 && atomic_load(&t->cpu_timer_generation) != generation)
		pa_cpu_disarm(t); /* left behind by a thread that had this slot */
	if (!tid || !atomic_compare_exchange_strong(&t->cpu_timer, &none, -1))
		return;
	/* One that is entering a sandbox sets this, then waits while cpu_timer is -1. */
	if (atomic_load(&t->sandboxed) || atomic_load(&t->small_stack)) {
		atomic_store(&t->cpu_timer, 0);
		return;
	}
	id = kernel_timer_start(t, tid, generation, cpu_now);
	if (id < 0)
		reason_set(t, PA_PSEUDO_UNSAMPLED);
	atomic_store(&t->cpu_timer_generation, generation);
	atomic_store(&t->cpu_timer, id < 0 ? 0 : id + 1);
	if (atomic_load(&t->generation) != generation)
		pa_cpu_disarm(t); /* it exited meanwhile */
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

/* seccomp_filters tells nothing before Linux 5.9; `sandboxed` only of calls through libc. */
static bool is_sandboxed(const struct pa_thread *t, const struct pa_thread_status *st)
{
	const struct pa_cpu_session *s = &pa_cpu_session;

	return atomic_load(&t->sandboxed) || st->seccomp != s->seccomp ||
	       st->seccomp_filters != s->seccomp_filters;
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
	if (is_sandboxed(t, &st)) {
		reason_set(t, PA_PSEUDO_SANDBOXED);
		return;
	}
	if (signal_blocked(st.blocked)) {
		reason_set(t, PA_PSEUDO_SIGNALS_BLOCKED);
		return;
	}
	arm(t, cpu);
}

void pa_cpu_arm_all(bool again)
{
	for (uint32_t i = 0, n = pa_threads_limit(); i < n; i++) {
		struct pa_thread *t = pa_thread_slot(i);

		if (t)
			arm_from_outside(t, again);
	}
}

/* Ticks that were due by now and did not come: the kernel looks at CPU timers only when its own
 * clock ticks, a signal may be blocked. Because the first tick is due at a random time, their
 * number is right on average however short a thread is. */
static uint64_t ticks_missing(const struct pa_thread *t, uint64_t cpu_now)
{
	uint64_t first = atomic_load(&t->cpu_start) + atomic_load(&t->cpu_first);
	uint64_t due = cpu_now < first ? 0 : 1 + (cpu_now - first) / pa_cpu_session.period_ns;

	return due - PA_MIN(atomic_load(&t->cpu_ticks), due);
}

/* The same for a thread that goes on. A tick or two on their way are not worth a line in the
 * profile. */
static uint64_t ticks_missing_so_far(const struct pa_thread *t, uint64_t cpu_now, bool blocked_now)
{
	uint64_t missing = ticks_missing(t, cpu_now);
	bool has_timer = !atomic_load(&t->cpu_reason) && !blocked_now;

	if (has_timer && (missing <= 2 || missing < atomic_load(&t->cpu_ticks) / 20))
		return 0;
	return missing;
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

void pa_cpu_thread_start(struct pa_thread *t)
{
	struct pa_cpu_session *s = &pa_cpu_session;

	if (!atomic_load(&s->active))
		return;
	count_from(t, 0);
	if (blocked_here())
		reason_set(t, PA_PSEUDO_SIGNALS_BLOCKED);
	else
		arm(t, 0);
	/* stop() clears `active`, then deletes timers; we made one, then look (both seq_cst). */
	if (!atomic_load(&s->active))
		pa_cpu_disarm(t);
}

/* On the exiting thread: its clock is still readable, so what is missing is known. */
void pa_cpu_thread_exit(struct pa_thread *t)
{
	struct pa_cpu_record *r;
	struct timespec now;
	uint64_t missing;

	if (atomic_load(&t->cpu_timer))
		pa_cpu_disarm(t);
	atomic_fetch_add(&pa_cpu_session.handlers, 1); /* as the handler does: keeps the rings */
	if (counts_now(t) && !clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)) {
		missing = ticks_missing(t,
					(uint64_t)now.tv_sec * PA_NS_PER_S + (uint64_t)now.tv_nsec);
		r = missing ? pa_ring_reserve(pa_cpu_ring(t->index), sizeof(*r) + 8) : NULL;
		if (r) {
			*r = (struct pa_cpu_record){
				.kind = PA_CPU_PSEUDO,
				.weight = (uint32_t)missing,
				.count = (uint32_t)missing_reason(t, blocked_here()),
				.thread = t->index,
			};
			r->words[0] = t->start_routine;
			pa_ring_commit(r);
		}
	}
	atomic_fetch_sub(&pa_cpu_session.handlers, 1);
}

void pa_cpu_thread_sandbox(struct pa_thread *t)
{
	reason_set(t, atomic_load(&t->sandboxed) ? PA_PSEUDO_SANDBOXED : PA_PSEUDO_SMALL_STACK);
	pa_cpu_disarm(t);
}

void pa_cpu_disarm_all(void)
{
	for (uint32_t i = 0, n = pa_threads_limit(); i < n; i++) {
		struct pa_thread *t = pa_thread_slot(i);

		if (t)
			pa_cpu_disarm(t);
	}
}

/* What each living thread's clock says beyond its ticks. */
void pa_cpu_add_missing(struct pa_cpu_build *b)
{
	uint32_t window = atomic_load(&pa_cpu_session.window);

	for (uint32_t i = 0, n = pa_threads_limit(); i < n; i++) {
		struct pa_thread *t = pa_thread_slot(i);
		pid_t tid = t ? atomic_load(&t->tid) : 0;
		struct pa_thread_status st = {0};
		uint64_t cpu, missing;
		bool blocked;

		if (!tid || atomic_load(&t->cpu_window) != window || pa_clock_thread_cpu(tid, &cpu))
			continue;
		if (!ticks_missing(t, cpu) || pa_proc_thread_status(tid, &st))
			continue;
		blocked = signal_blocked(st.blocked);
		missing = ticks_missing_so_far(t, cpu, blocked);
		pa_cpu_add_pseudo(b, missing_reason(t, blocked), t->start_routine, missing);
	}
}
