/* SPDX-License-Identifier: Apache-2.0
 * pthread_create: the new thread announces itself, then runs the host's function by a tail call,
 * so that nothing of ours stays on its stack. */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

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

static void *run(void *arg)
{
	struct start *s = arg;
	void *(*routine)(void *) = s->routine;
	void *routine_arg = s->arg;
	size_t stack_size = s->stack_size;
	bool sandboxed = s->sandboxed;

	atomic_store_explicit(&s->taken, 0, memory_order_release);
	/* glibc and musl put the thread control block at the top of the stack block. */
	pa_thread_enter((uintptr_t)__builtin_thread_pointer(), stack_size,
			(uint64_t)(uintptr_t)routine, sandboxed);
	return routine(routine_arg);
}

PA_EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			     void *(*routine)(void *), void *arg)
{
	struct start *s;
	int err;

	if (pa_unlikely(!pa_real.pthread_create))
		pa_real_init();
	if (!pa_threads_active())
		return pa_real.pthread_create(thread, attr, routine, arg);
	s = start_take();
	if (!s)
		return pa_real.pthread_create(thread, attr, routine, arg);
	s->routine = routine;
	s->arg = arg;
	s->stack_size = stack_size_of(attr);
	s->sandboxed = pa_thread_sandboxed();
	err = pa_real.pthread_create(thread, attr, run, s);
	if (err)
		atomic_store_explicit(&s->taken, 0, memory_order_release);
	return err;
}
