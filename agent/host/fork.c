/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/host/fork.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#include "agent/host/signal.h"

static struct pa_fork_events events;

static void in_child(void)
{
	int saved = errno;

	pa_signal_fork_child();
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

	if (events.begin)
		events.begin();
	errno = saved;
}
