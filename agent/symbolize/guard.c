/* SPDX-License-Identifier: Apache-2.0
 * Leaving a job by a jump. After a fault libdw's data is not trusted any more than before: at worst
 * the next fault, or the watchdog, ends this process, whose work another one can do again. */
#include "agent/symbolize/guard.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ASK_CLOCK_EVERY 1024

static sigjmp_buf out;
static volatile sig_atomic_t inside;
static uint64_t job_end, all_end;
static unsigned turns;
static bool is_late, lacked_memory;

static uint64_t cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void on_fault(int sig)
{
	if (inside)
		siglongjmp(out, -EFAULT);
	signal(sig, SIG_DFL); /* happens again when we return */
}

void pa_dbg_guard_setup(void)
{
	static char stack[64 << 10];
	const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
	const struct sigaction fault = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
	sigset_t none;

	sigaltstack(&alternate, NULL);
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	signal(SIGALRM, SIG_DFL);
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL); /* the agent blocks all */
}

int pa_dbg_guard(void (*job)(void *arg), void *arg, unsigned cpu_ms)
{
	int error = sigsetjmp(out, 1);

	if (!error) {
		job_end = cpu_now() + (uint64_t)cpu_ms * 1000000;
		if (job_end > all_end)
			job_end = all_end;
		is_late = lacked_memory = false;
		turns = 0;
		inside = 1;
		job(arg);
	}
	inside = 0;
	return !error && lacked_memory ? -ENOMEM : error;
}

void pa_dbg_guard_lacked_memory(void)
{
	lacked_memory = true;
}

void pa_dbg_guard_throw(int error)
{
	if (!inside)
		_exit(1);
	siglongjmp(out, error);
}

bool pa_dbg_late(void)
{
	if (!is_late && ++turns % ASK_CLOCK_EVERY == 0)
		is_late = cpu_now() >= job_end;
	return is_late;
}

void pa_dbg_budget_begin(unsigned cpu_ms)
{
	all_end = cpu_now() + (uint64_t)cpu_ms * 1000000;
}

bool pa_dbg_budget_over(void)
{
	return cpu_now() >= all_end;
}

void pa_dbg_watchdog(unsigned seconds)
{
	alarm(seconds);
}
