/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/host/fork.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#include "agent/host/signal.h"
#include "agent/host/thread.h"

static struct pa_fork_events events;

static void in_child(void)
{
	int saved = errno;

	pa_signal_fork_child();
	/* In a sandbox no system call of ours may be allowed: the child inherits our descriptors
	 * and goes without an agent. */
	if (!pa_thread_sandboxed())
		events.forget();
	errno = saved;
}

int pa_fork_init(const struct pa_fork_events *e)
{
	events = *e;
	return -pthread_atfork(NULL, NULL, in_child);
}

void pa_fork_begin(void)
{
	int saved = errno;

	if (events.begin && !pa_thread_sandboxed())
		events.begin();
	errno = saved;
}
