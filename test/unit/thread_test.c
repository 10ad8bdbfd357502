/* SPDX-License-Identifier: Apache-2.0
 * The table of threads, without the hook: threads announce themselves by hand here. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/host/proc.h"
#include "agent/host/real.h"
#include "agent/host/thread.h"
#include "agent/host/thread_table.h"
#include "agent/host/tid.h"
#include "test/tap.h"

/* More than an agent thread's stack is large: libc takes it from every stack. */
static __thread char much_tls[600 << 10];

static _Atomic int starts, exits, sandboxes, stops;
static _Atomic pid_t start_tid, exit_tid;

static pid_t own_tid(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static void on_start(struct pa_thread *t)
{
	start_tid = t->tid == own_tid() ? own_tid() : -1;
	errno = EINVAL;
	starts++;
}

static void on_exit_(struct pa_thread *t)
{
	exit_tid = t->tid == own_tid() ? own_tid() : -1;
	exits++;
}

static void on_sandbox(struct pa_thread *t)
{
	(void)t;
	sandboxes++;
}

static void on_stop(void)
{
	stops++;
}

static struct pa_thread *slot_of(pid_t tid)
{
	for (uint32_t i = 0; i < pa_threads_limit(); i++) {
		struct pa_thread *t = pa_thread_slot(i);

		if (t->tid == tid && t->state != PA_THREAD_FREE)
			return t;
	}
	return NULL;
}

struct job {
	bool announce, sandboxed, errno_kept;
	pid_t tid;
	struct pa_thread *slot;
	sem_t ready, go, announced, end;
};

static void *run(void *arg)
{
	struct job *j = arg;

	j->tid = own_tid();
	sem_post(&j->ready);
	sem_wait(&j->go);
	errno = 4711;
	if (j->announce)
		pa_thread_enter((uintptr_t)__builtin_thread_pointer(), 1 << 20, 0x4000,
				j->sandboxed);
	j->errno_kept = errno == 4711;
	j->slot = slot_of(j->tid);
	sem_post(&j->announced);
	sem_wait(&j->end);
	return NULL;
}

static pthread_t job_start(struct job *j, bool announce)
{
	pthread_t thread;

	memset(j, 0, sizeof(*j));
	j->announce = announce;
	sem_init(&j->ready, 0, 0);
	sem_init(&j->go, 0, 0);
	sem_init(&j->announced, 0, 0);
	sem_init(&j->end, 0, 0);
	pthread_create(&thread, NULL, run, j);
	sem_wait(&j->ready);
	return thread;
}

static void job_announce(struct job *j)
{
	sem_post(&j->go);
	sem_wait(&j->announced);
}

static void job_end(struct job *j, pthread_t thread)
{
	sem_post(&j->end);
	pthread_join(thread, NULL);
	/* The kernel wakes the joiner a moment before the thread is gone. */
	while (!syscall(SYS_tgkill, getpid(), j->tid, 0))
		sched_yield();
}

static void test_main_thread(void)
{
	struct pa_thread *t = slot_of(getpid());
	uintptr_t here = (uintptr_t)&t;

	ok(pa_threads_active(), "the table is active");
	is_int(pa_threads_limit(), 1, "one slot is in use");
	ok(t != NULL, "the main thread's");
	is_int(t->state, PA_THREAD_HOOKED, "which counts as announced");
	ok(here >= t->stack_low && here < t->stack_end, "its stack is known");
	is_int(pa_tid_self(), getpid(), "its id");
	ok(!pa_thread_slot(PA_THREADS_MAX), "no slot behind the last");
}

static void test_announced(void)
{
	uint32_t generation;
	struct pa_thread *t;
	struct job j;
	pthread_t thread = job_start(&j, true);
	uint64_t seen = pa_threads_seen();

	job_announce(&j);
	t = j.slot;
	ok(t != NULL, "a thread that announces itself has a slot");
	is_int(t->index, 1, "the next one");
	is_int(t->start_routine, 0x4000, "with its start routine");
	is_int(t->stack_end - t->stack_low, 1 << 20, "and its stack");
	is_int(starts, 1, "its start is told");
	is_int(start_tid, j.tid, "on the thread itself");
	ok(j.errno_kept, "errno stays what it was");
	is_int(pa_threads_seen(), seen + 1, "it is counted");
	generation = t->generation;
	job_end(&j, thread);
	is_int(exits, 1, "its exit is told");
	is_int(exit_tid, j.tid, "on the thread itself");
	is_int(t->state, PA_THREAD_FREE, "the slot is free again");
	is_int(t->tid, 0, "and nobody's");
	ok(t->generation != generation, "old timers do not fit it any more");

	thread = job_start(&j, true);
	job_announce(&j);
	ok(j.slot == t, "the next thread gets the same slot");
	job_end(&j, thread);
	is_int(pa_threads_limit(), 2, "so the table does not grow");
}

static int added, gone;

static void on_added(struct pa_thread *t)
{
	(void)t;
	added++;
}

static void on_gone(struct pa_thread *t)
{
	(void)t;
	gone++;
}

static void test_scan(void)
{
	struct job known, unknown;
	pthread_t a = job_start(&known, true), b = job_start(&unknown, false);
	struct pa_thread *t;

	job_announce(&known);
	pa_thread_scan(true, on_added, on_gone);
	is_int(added, 1, "the scan finds a thread that did not announce itself");
	is_int(gone, 0, "and takes none for gone");
	t = slot_of(unknown.tid);
	ok(t && t->state == PA_THREAD_SCANNED, "which has a slot then");
	is_int(pa_thread_scanned_count(), 1, "and is counted");
	is_int(t->start_routine, 0, "its start routine is not known");
	pa_thread_scan(true, on_added, on_gone);
	is_int(added + gone, 1, "a second scan changes nothing");
	pa_thread_scan(false, on_added, on_gone);
	is_int(added + gone, 1, "nor one that is not forced");

	job_announce(&unknown);
	job_end(&unknown, b);
	pa_thread_scan(false, on_added, on_gone);
	is_int(gone, 1, "its end is noticed by the next scan");
	ok(!slot_of(unknown.tid), "the slot is free");
	is_int(pa_thread_scanned_count(), 0, "and not counted any more");
	ok(slot_of(known.tid), "the other one stays");
	job_end(&known, a);
}

/* The scan is quicker than the thread itself. */
static void test_scan_first(void)
{
	struct pa_thread *scanned;
	struct job j;
	pthread_t thread = job_start(&j, true);

	pa_thread_scan(true, NULL, NULL);
	scanned = slot_of(j.tid);
	ok(scanned && scanned->state == PA_THREAD_SCANNED, "found before it announces itself");
	scanned->cpu_timer = 77;
	job_announce(&j);
	ok(j.slot == scanned && j.slot->state == PA_THREAD_HOOKED, "it goes on in that slot");
	is_int(scanned->start_routine, 0x4000, "with what it knows");
	is_int(scanned->cpu_timer, 77, "and the timer that it was given");
	is_int(pa_thread_scanned_count(), 0, "not counted as scanned any more");
	scanned->cpu_timer = 0;
	job_end(&j, thread);
}

static void *ends_by_system_call(void *arg)
{
	pa_thread_enter((uintptr_t)__builtin_thread_pointer(), 1 << 20, 0x4000, false);
	*(_Atomic pid_t *)arg = own_tid();
	for (;;)
		syscall(SYS_exit, 0);
	return NULL;
}

/* A thread that ends behind libc's back. */
static void test_vanished(void)
{
	uint64_t until = pa_clock_mono() + 5 * PA_NS_PER_S;
	_Atomic pid_t tid = 0;
	pthread_t thread;

	pthread_create(&thread, NULL, ends_by_system_call, (void *)(uintptr_t)&tid);
	while ((!tid || !syscall(SYS_tgkill, getpid(), tid, 0)) && pa_clock_mono() < until)
		;
	ok(slot_of(tid), "a thread that ended without a word has its slot still");
	pa_thread_scan(true, NULL, NULL);
	ok(!slot_of(tid), "until the scan");
}

#define MANY 300

static void test_many(void)
{
	static struct job jobs[MANY];
	pthread_t threads[MANY];
	uint32_t limit;
	int right = 0;

	for (int i = 0; i < MANY; i++)
		threads[i] = job_start(&jobs[i], true);
	for (int i = 0; i < MANY; i++)
		sem_post(&jobs[i].go);
	for (int i = 0; i < MANY; i++)
		sem_wait(&jobs[i].announced);
	for (int i = 0; i < MANY; i++)
		right += jobs[i].slot && jobs[i].slot == pa_thread_slot(jobs[i].slot->index);
	is_int(right, MANY, "300 threads at once have a slot each");
	limit = pa_threads_limit();
	added = gone = 0;
	pa_thread_scan(true, on_added, on_gone);
	is_int(added + gone, 0, "the scan agrees");
	for (int i = 0; i < MANY; i++)
		job_end(&jobs[i], threads[i]);
	is_int(pa_threads_limit(), limit, "slots are used again");
	is_int(pa_threads_dropped(), 0, "none was dropped");
}

static sem_t agent_ready, agent_end;
static pid_t agent_tid;
static uint64_t agent_blocked;
static char agent_name[16];

static void agent_run(void *arg)
{
	struct pa_thread_status st = {0};

	much_tls[0] = 1;
	agent_tid = own_tid();
	if (!pa_proc_thread_status(agent_tid, &st))
		agent_blocked = st.blocked;
	pthread_getname_np(pthread_self(), agent_name, sizeof(agent_name));
	sem_post(&agent_ready);
	sem_wait((sem_t *)arg);
}

static void test_agent(void)
{
	/* libc keeps 32 and 33 for itself; 9 and 19 cannot be blocked. */
	const uint64_t all = ~(3ull << 31 | 1ull << 8 | 1ull << 18);
	sigset_t before, after;
	int err;

	sem_init(&agent_ready, 0, 0);
	sem_init(&agent_end, 0, 0);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	err = pa_thread_spawn_agent("profagent-test", agent_run, &agent_end);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	is_int(err, 0, "a thread of the agent, in a program with much thread-local storage");
	ok(!memcmp(&before, &after, 8), "the caller's mask is as before");
	if (err)
		return;
	sem_wait(&agent_ready);
	is_int(agent_blocked & all, all, "it blocks every signal");
	is_str(agent_name, "profagent-test", "and has its name");
	ok(pa_thread_is_agent(agent_tid), "it is known as the agent's");
	ok(!pa_thread_is_agent(getpid()), "the main thread is not");
	added = 0;
	pa_thread_scan(true, on_added, NULL);
	is_int(added, 0, "the scan does not list it");
	ok(pa_thread_agents_cpu() > 0, "its CPU time is known");
	is_int(pa_thread_agent_tid(0), agent_tid, "listed first");
	sem_post(&agent_end);
}

static void test_sandbox(void)
{
	int before = starts;
	pthread_t thread;
	struct job j;

	thread = job_start(&j, true);
	j.sandboxed = true;
	job_announce(&j);
	ok(j.slot && j.slot->sandboxed, "a thread that is born in a sandbox has a slot");
	is_int(starts, before, "and is left alone");
	before = exits;
	job_end(&j, thread);
	is_int(exits, before, "to its end");
	ok(!slot_of(j.tid), "the slot is free then");

	ok(!pa_thread_sandboxed(), "the main thread is in no sandbox");
	ok(!pa_thread_sandbox_enter(false), "it enters one");
	ok(pa_thread_sandboxed() && slot_of(getpid())->sandboxed, "and is marked");
	is_int(sandboxes, 1, "which is told");
	ok(pa_thread_sandbox_enter(false), "a second filter on top");
	pa_thread_sandbox_failed(true);
	ok(pa_thread_sandboxed(), "fails: still in the sandbox");
	pa_thread_sandbox_failed(false);
	ok(!pa_thread_sandboxed() && !slot_of(getpid())->sandboxed, "the first one failed too");
	is_int(stops, 0, "the agent goes on beside sandboxes of single threads");
	ok(!pa_thread_sandbox_enter(true), "one for all threads");
	is_int(stops, 1, "ends it");
	pa_thread_sandbox_failed(false);
}

static int child(const struct job *other)
{
	struct pa_thread *mine = slot_of(getppid()), *theirs = other->slot;

	theirs->cpu_handling = 1;
	theirs->cpu_timer = mine->cpu_timer = 5;
	pa_threads_fork_child();
	if (mine->tid != getpid() || mine->state != PA_THREAD_HOOKED)
		return 1;
	if (theirs->state != PA_THREAD_FREE || theirs->tid)
		return 2;
	if (mine->cpu_timer || theirs->cpu_timer)
		return 3;
	if (theirs->cpu_handling)
		return 4;
	if (pa_thread_agent_tid(0) || pa_thread_scanned_count())
		return 5;
	for (uint32_t i = 0; i < pa_threads_limit(); i++) {
		if (pa_thread_slot(i)->index != i)
			return 6;
		if (pa_thread_slot(i) != mine && pa_thread_slot(i)->state != PA_THREAD_FREE)
			return 7;
	}
	return 0;
}

static void test_fork(void)
{
	struct job j;
	pthread_t thread = job_start(&j, true);
	int status = -1;
	pid_t pid;

	job_announce(&j);
	pid = fork();
	if (pid == 0)
		_exit(child(&j));
	waitpid(pid, &status, 0);
	is_int(status, 0, "a forked child has one thread, all else is forgotten");
	job_end(&j, thread);
}

static void *leave(void *arg)
{
	(void)arg;
	pa_thread_enter((uintptr_t)__builtin_thread_pointer(), 1 << 20, 0x4000, false);
	pthread_detach(pthread_self());
	usleep(20000);
	return NULL;
}

static void said_goodbye(void)
{
	if (write(STDOUT_FILENO, "", 0) == 0)
		_exit(43); /* the handlers of atexit ran */
}

/* Without the agent's own thread libc would end this process after the last of the host's. */
static void test_end(void)
{
	int status = -1;
	pthread_t thread;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(20);
		pa_threads_fork_child();
		atexit(said_goodbye);
		sem_init(&agent_ready, 0, 0);
		sem_init(&agent_end, 0, 0);
		if (pa_thread_spawn_agent("profagent-test", agent_run, &agent_end))
			_exit(1);
		pthread_create(&thread, NULL, leave, NULL);
		pthread_exit(NULL);
	}
	waitpid(pid, &status, 0);
	is_int(status, 43 << 8, "a process ends with the last of the host's threads");
}

int main(void)
{
	static const struct pa_thread_events events = {on_start, on_exit_, on_sandbox, on_stop};

	pa_real_init();
	is_int(pa_threads_init(&events), 0, "the table is set up");
	test_main_thread();
	test_announced();
	test_scan();
	test_scan_first();
	test_vanished();
	test_many();
	test_agent();
	test_sandbox();
	test_fork();
	test_end();
	return tap_done();
}
