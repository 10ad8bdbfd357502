/* SPDX-License-Identifier: Apache-2.0
 * Making threads: the new one announces itself, then runs the host's function by a tail call,
 * so that nothing of ours stays on its stack. */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <threads.h>

#include "agent/base/compiler.h"
#include "agent/host/real.h"
#include "agent/host/thread.h"

#define STARTS 1024 /* threads between pthread_create and their first instruction, power of two */

/* What a new thread is to run. Not from malloc: the host may be inside it. */
struct start {
	_Atomic uint32_t taken;
	void *(*routine)(void *);
	void *arg;
	size_t stack_size;
	bool sandboxed;
};

static struct start starts[STARTS];
static _Atomic uint32_t next_start;

/* A free record near a rotating position; NULL after a few tries: the thread then goes
 * unannounced and the scan of /proc finds it. */
static struct start *start_take(void)
{
	for (int tries = 0; tries < 8; tries++) {
		struct start *s = &starts[atomic_fetch_add(&next_start, 1) % STARTS];
		uint32_t free = 0;

		if (atomic_compare_exchange_strong(&s->taken, &free, 1))
			return s;
	}
	return NULL;
}

static size_t stack_size_of(const pthread_attr_t *attr)
{
	static const pthread_attr_t defaults; /* all zero: pthread_attr_init's state in glibc */
	size_t size = 0;

	/* A size of zero in the attributes is answered with the process-wide default. */
	if (pthread_attr_getstacksize(attr ? attr : &defaults, &size))
		return 0;
	return size;
}

/* On the new thread. */
static struct start announce(struct start *shared)
{
	struct start s = {.routine = shared->routine, .arg = shared->arg};
	size_t stack_size = shared->stack_size;
	bool sandboxed = shared->sandboxed;

	atomic_store_explicit(&shared->taken, 0, memory_order_release);
	/* glibc and musl put the thread control block at the top of the stack block. */
	pa_thread_enter((uintptr_t)__builtin_thread_pointer(), stack_size,
			(uint64_t)(uintptr_t)s.routine, sandboxed);
	return s;
}

static void *run(void *arg)
{
	struct start s = announce(arg);

	return s.routine(s.arg);
}

static int run_c11(void *arg)
{
	struct start s = announce(arg);

	return ((int (*)(void *))(void *)s.routine)(s.arg);
}

/* NULL: the thread goes unannounced. */
static struct start *start_new(void *(*routine)(void *), void *arg, const pthread_attr_t *attr)
{
	struct start *s = pa_threads_active() ? start_take() : NULL;

	if (!s)
		return NULL;
	s->routine = routine;
	s->arg = arg;
	s->stack_size = stack_size_of(attr);
	s->sandboxed = pa_thread_sandboxed();
	return s;
}

PA_EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			     void *(*routine)(void *), void *arg)
{
	struct start *s;
	int err;

	if (pa_unlikely(!pa_real.pthread_create))
		pa_real_init();
	s = start_new(routine, arg, attr);
	if (!s)
		return pa_real.pthread_create(thread, attr, routine, arg);
	err = pa_real.pthread_create(thread, attr, run, s);
	if (err)
		atomic_store_explicit(&s->taken, 0, memory_order_release);
	return err;
}

/* libc's calls an internal pthread_create. */
PA_EXPORT int thrd_create(thrd_t *thread, thrd_start_t routine, void *arg)
{
	struct start *s;
	int err;

	if (pa_unlikely(!pa_real.thrd_create))
		pa_real_init();
	s = start_new((void *(*)(void *))(void *)routine, arg, NULL);
	if (!s)
		return pa_real.thrd_create(thread, routine, arg);
	err = pa_real.thrd_create(thread, run_c11, s);
	if (err != thrd_success)
		atomic_store_explicit(&s->taken, 0, memory_order_release);
	return err;
}
