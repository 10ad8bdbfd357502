/* SPDX-License-Identifier: Apache-2.0
 * The agent's own threads: started with every signal blocked, hidden from every profile. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/syscall.h"
#include "agent/host/real.h"
#include "agent/host/thread.h"
#include "agent/host/thread_table.h"
#include "agent/host/tid.h"

#define STACK_BYTES     ((size_t)256 << 10)
#define STACK_BYTES_MAX ((size_t)64 << 20)

struct job {
	_Atomic bool taken;
	const char *name;
	void (*run)(void *);
	void *arg;
};

static struct job jobs[PA_AGENT_THREADS];
static _Atomic pid_t tids[PA_AGENT_THREADS];
static _Atomic int starting;

int pa_thread_agents_starting(void)
{
	return atomic_load(&starting);
}

pid_t pa_thread_agent_tid(unsigned i)
{
	return i < PA_AGENT_THREADS ? atomic_load(&tids[i]) : 0;
}

bool pa_thread_is_agent(pid_t tid)
{
	for (unsigned i = 0; i < PA_AGENT_THREADS; i++) {
		if (atomic_load(&tids[i]) == tid)
			return true;
	}
	return false;
}

bool pa_thread_agents_any(void)
{
	pid_t pid = getpid();

	for (unsigned i = 0; i < PA_AGENT_THREADS; i++) {
		pid_t tid = atomic_load(&tids[i]);

		if (atomic_load(&jobs[i].taken) || (tid && pa_sys(SYS_tgkill, pid, tid, 0) == 0))
			return true;
	}
	return false;
}

uint64_t pa_thread_agents_cpu(void)
{
	uint64_t sum = 0, ns;

	for (unsigned i = 0; i < PA_AGENT_THREADS; i++) {
		pid_t tid = atomic_load(&tids[i]);

		if (tid && !pa_clock_thread_cpu(tid, &ns))
			sum += ns;
	}
	return sum;
}

/* Under a seccomp filter this might kill. */
void pa_thread_part_from_agent(void)
{
	if (pa_sys(SYS_prctl, PR_GET_SECCOMP) == 0)
		pa_sys(SYS_unshare, CLONE_FS);
}

static void *agent_main(void *arg)
{
	struct job *job = arg;
	_Atomic pid_t *tid = &tids[job - jobs];

	atomic_store(tid, pa_tid_self());
	atomic_fetch_sub(&starting, 1);
	prctl(PR_SET_NAME, job->name);
	job->run(job->arg);
	atomic_store(&job->taken, false);
	/* Still in /proc for a moment: the id stays listed until the entry is used again. */
	return NULL;
}

static struct job *job_take(void)
{
	for (unsigned i = 0; i < PA_AGENT_THREADS; i++) {
		if (!atomic_exchange(&jobs[i].taken, true))
			return &jobs[i];
	}
	return NULL;
}

/* The host's static thread-local storage is part of every stack: where it is large, libc refuses
 * a small one with EINVAL. */
static int create(struct job *job)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err = EINVAL;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (size_t size = STACK_BYTES; err == EINVAL && size <= STACK_BYTES_MAX; size *= 4) {
		pthread_attr_setstacksize(&attr, size);
		err = pa_real.pthread_create(&thread, &attr, agent_main, job);
	}
	pthread_attr_destroy(&attr);
	return err;
}

int pa_thread_spawn_agent(const char *name, void (*run)(void *), void *arg)
{
	struct job *job = job_take();
	sigset_t all, before;
	int err;

	if (!job)
		return -EAGAIN;
	job->name = name;
	job->run = run;
	job->arg = arg;
	sigfillset(&all);
	atomic_fetch_add(&starting, 1);
	/* Inherited by the new thread. pthread_attr_setsigmask_np would allocate. */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = create(job);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err) {
		atomic_fetch_sub(&starting, 1);
		atomic_store(&job->taken, false);
	}
	return -err;
}

void pa_thread_agent_fork_child(void)
{
	memset(jobs, 0, sizeof(jobs));
	memset(tids, 0, sizeof(tids));
	atomic_store(&starting, 0);
}
