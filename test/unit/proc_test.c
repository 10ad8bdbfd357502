/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/host/proc.h"
#include "test/tap.h"

static pid_t own_tid(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static void *thread(void *arg)
{
	*(pid_t *)arg = own_tid();
	return NULL;
}

/* The number behind a key of /proc/self/status, read in another way. */
static unsigned long long status_field(const char *key, int base)
{
	unsigned long long value = 0;
	char line[256];
	FILE *f = fopen("/proc/thread-self/status", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, key, strlen(key)))
			value = strtoull(line + strlen(key), NULL, base);
	}
	if (f)
		fclose(f);
	return value;
}

int main(void)
{
	struct pa_thread_status st = {.blocked = 1, .seccomp = 99, .seccomp_filters = 99};
	sigset_t set;
	pthread_t t;
	pid_t gone = 0;

	is_int(pa_proc_thread_status(own_tid(), &st), 0, "status of the calling thread");
	is_int(st.blocked, status_field("SigBlk:", 16), "what it blocks");
	is_int(st.seccomp, status_field("Seccomp:", 10), "its seccomp mode");
	is_int(st.seccomp_filters, status_field("Seccomp_filters:", 10), "its filters");

	sigemptyset(&set);
	sigaddset(&set, SIGPROF);
	sigaddset(&set, SIGRTMAX);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	is_int(pa_proc_thread_status(own_tid(), &st), 0, "again, with signals blocked");
	ok(st.blocked >> (SIGPROF - 1) & 1, "SIGPROF is blocked");
	ok(st.blocked >> (SIGRTMAX - 1) & 1, "and the highest one");
	ok(!(st.blocked >> (SIGUSR1 - 1) & 1), "SIGUSR1 is not");

	pthread_create(&t, NULL, thread, &gone);
	pthread_join(t, NULL);
	st.seccomp = 99;
	is_int(pa_proc_thread_status(gone, &st), -ESRCH, "a thread that is gone");
	is_int(st.seccomp, 99, "the result is untouched then");
	is_int(pa_proc_thread_status(0, &st), -ESRCH, "no thread 0");
	is_int(pa_proc_thread_status(-1, &st), -ESRCH, "nor -1");
	return tap_done();
}
