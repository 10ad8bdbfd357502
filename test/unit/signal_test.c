/* SPDX-License-Identifier: Apache-2.0
 * Signals shared with the host. What dies does so in a child. */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/host/real.h"
#include "agent/host/signal.h"
#include "test/tap.h"

static volatile int agents, hosts, others;
static volatile uint64_t host_mask;

static void agent_handler(int signo, siginfo_t *info, void *uc)
{
	if (pa_signal_is_agents(info))
		agents++;
	else
		pa_signal_chain(signo, info, uc);
}

static void host_handler(int signo)
{
	sigset_t now;

	(void)signo;
	hosts++;
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	memcpy((void *)(uintptr_t)&host_mask, &now, sizeof(host_mask));
}

static void host_info_handler(int signo, siginfo_t *info, void *uc)
{
	(void)signo;
	(void)uc;
	hosts += info->si_value.sival_int;
}

static void set(int signo, void (*handler)(int), int flags)
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = flags};

	if (pa_signal_host_action(signo, &act, NULL))
		others++;
}

static void (*seen(int signo))(int)
{
	struct sigaction now;

	return pa_signal_host_action(signo, NULL, &now) ? SIG_ERR : now.sa_handler;
}

static void *in_kernel(int signo)
{
	struct sigaction now;

	pa_real.sigaction(signo, NULL, &now);
	return (void *)now.sa_handler;
}

/* One tick of a timer of the agent. */
static void tick(int signo)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = signo};
	struct itimerspec soon = {.it_value.tv_nsec = 1};
	uint64_t until = pa_clock_mono() + PA_NS_PER_S;
	int before = agents;
	timer_t timer;

	ev.sigev_value.sival_ptr = (void *)(uintptr_t)(PA_SIGNAL_COOKIE << 48 | 1);
	timer_create(CLOCK_MONOTONIC, &ev, &timer);
	timer_settime(timer, 0, &soon, NULL);
	while (agents == before && pa_clock_mono() < until)
		;
	timer_delete(timer);
}

/* The wait status of a child that runs this. */
static int status_of(void (*run)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		pa_signal_fork_child();
		run();
		_exit(42);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void raise_prof(void)
{
	raise(SIGPROF);
}

static void raise_after_reset(void)
{
	set(SIGPROF, host_handler, (int)SA_RESETHAND);
	raise(SIGPROF);
	if (hosts != 1 || seen(SIGPROF) != SIG_DFL)
		_exit(1);
	raise(SIGPROF);
}

static void raise_after_default(void)
{
	set(SIGPROF, host_handler, 0);
	set(SIGPROF, SIG_DFL, 0);
	raise(SIGPROF);
}

static void test_claim(void)
{
	int signo = pa_signal_claim(agent_handler);

	is_int(signo, SIGPROF, "SIGPROF is the first choice");
	is_int(pa_signal_claim(agent_handler), SIGPROF, "claimed once only");
	ok(pa_signal_undisputed(SIGPROF), "undisputed");
	ok(in_kernel(SIGPROF) == (void *)agent_handler, "our handler is installed");
	ok(seen(SIGPROF) == SIG_DFL, "the host sees the default");
	tick(SIGPROF);
	is_int(agents, 1, "a tick is the agent's");
	is_int(hosts, 0, "not the host's");
	is_int(status_of(raise_prof), SIGPROF, "another one kills, as by default");
	ok(!pa_signal_undisputed(SIGUSR1), "not of a signal that was never claimed");
}

static void test_view(void)
{
	struct sigaction act = {.sa_handler = host_handler, .sa_flags = SA_RESTART}, old, kernel;

	sigaddset(&act.sa_mask, SIGUSR1);
	sigaddset(&act.sa_mask, SIGKILL);
	is_int(pa_signal_host_action(SIGPROF, &act, &old), 0, "the host sets a handler");
	ok(old.sa_handler == SIG_DFL && !old.sa_flags, "and gets the default back");
	pa_signal_host_action(SIGPROF, NULL, &old);
	ok(old.sa_handler == host_handler, "it sees its handler");
	is_int(old.sa_flags & 0xff000000 & ~0x04000000, SA_RESTART, "its flags");
	ok(sigismember(&old.sa_mask, SIGUSR1) && !sigismember(&old.sa_mask, SIGKILL),
	   "its mask without what cannot be blocked");
	pa_real.sigaction(SIGPROF, NULL, &kernel);
	ok(kernel.sa_sigaction == agent_handler, "ours stands in front");
	ok(!pa_signal_undisputed(SIGPROF), "disputed now");
	raise(SIGPROF);
	is_int(hosts, 1, "a signal reaches the host's handler");
	ok(host_mask >> (SIGUSR1 - 1) & 1, "with its mask");
	ok(host_mask >> (SIGPROF - 1) & 1, "and itself blocked");
	tick(SIGPROF);
	is_int(hosts, 1, "a late tick does not");
	is_int(agents, 2, "but comes to us");

	hosts = 0;
	act.sa_sigaction = host_info_handler;
	act.sa_flags = SA_SIGINFO;
	pa_signal_host_action(SIGPROF, &act, NULL);
	sigqueue(getpid(), SIGPROF, (union sigval){.sival_int = 7});
	is_int(hosts, 7, "siginfo is passed on");

	set(SIGPROF, SIG_IGN, 0);
	ok(in_kernel(SIGPROF) == (void *)SIG_IGN, "what is ignored is ignored by the kernel");
	raise(SIGPROF);
	ok(seen(SIGPROF) == SIG_IGN, "and seen so");
	set(SIGPROF, SIG_DFL, 0);
	ok(in_kernel(SIGPROF) == (void *)agent_handler, "a default one has our handler again");
	tick(SIGPROF);
	is_int(agents, 3, "as a tick may be late");
	hosts = 0;
	is_int(status_of(raise_after_reset), SIGPROF, "SA_RESETHAND: once, then death");
	is_int(status_of(raise_after_default), SIGPROF, "back to the default: death");
	is_int(others, 0, "every call succeeded");
}

static void test_next_choice(void)
{
	int signo = pa_signal_claim(agent_handler), next;
	struct sigaction act = {.sa_handler = host_handler};

	is_int(signo, SIGRTMAX - 1, "then a real-time signal");
	ok(pa_signal_undisputed(signo), "undisputed");
	/* By a system call of its own. */
	pa_real.sigaction(signo, &act, NULL);
	ok(!pa_signal_undisputed(signo), "taken away behind our back: noticed");
	pa_real.sigaction(SIGRTMAX - 2, &act, NULL);
	next = pa_signal_claim(agent_handler);
	is_int(next, SIGRTMAX - 3, "one that the host uses is left alone");
	ok(in_kernel(SIGRTMAX - 2) == (void *)host_handler, "and keeps its handler");
}

static void child_of_vfork(void)
{
	struct sigaction old;

	pa_signal_host_action(SIGPROF, NULL, &old);
	if (old.sa_handler != host_handler)
		_exit(1);
	set(SIGPROF, SIG_IGN, 0);
	_exit(in_kernel(SIGPROF) == (void *)SIG_IGN ? 0 : 2);
}

static void test_vfork(void)
{
	int status;
	pid_t pid;

	set(SIGPROF, host_handler, 0);
	pid = vfork();
	if (pid == 0)
		child_of_vfork();
	waitpid(pid, &status, 0);
	is_int(status, 0, "a child of vfork sees and sets its own");
	ok(seen(SIGPROF) == host_handler, "not its parent's");
	set(SIGPROF, SIG_DFL, 0);
}

static volatile int stop;

static void *sets_all_the_time(void *arg)
{
	long wrong = 0;

	(void)arg;
	while (!stop) {
		set(SIGRTMAX - 4, host_handler, 0);
		wrong += seen(SIGRTMAX - 4) != host_handler;
		raise(SIGRTMAX - 4);
		set(SIGRTMAX - 4, SIG_DFL, 0);
		wrong += seen(SIGRTMAX - 4) != SIG_DFL;
	}
	return (void *)wrong;
}

/* Claims while another thread changes the very signal, from every moment of its loop. */
static void claim_in_a_race(void)
{
	uint64_t wait = pa_clock_mono() % 200000, until;
	struct sigaction act = {.sa_handler = host_handler};
	pthread_t thread;
	void *wrong;

	/* All other choices are the host's. */
	pa_real.sigaction(SIGRTMAX - 3, &act, NULL);
	for (int signo = SIGRTMIN; signo < SIGRTMAX - 4; signo++)
		pa_real.sigaction(signo, &act, NULL);
	pthread_create(&thread, NULL, sets_all_the_time, NULL);
	until = pa_clock_mono() + PA_NS_PER_MS + wait;
	while (pa_clock_mono() < until)
		;
	for (int i = 0; i < 200 && pa_signal_claim(agent_handler) < 0; i++)
		;
	until = pa_clock_mono() + 2 * PA_NS_PER_MS;
	while (pa_clock_mono() < until)
		;
	stop = 1;
	pthread_join(thread, &wrong);
	_exit(wrong || others ? 1 : 0);
}

static void test_race(void)
{
	int bad = 0;

	for (int i = 0; i < 40; i++)
		bad += status_of(claim_in_a_race) != 0;
	is_int(bad, 0, "claiming and setting at the same time: the host sees what it set");
}

static void test_other_signals(void)
{
	struct sigaction act = {.sa_handler = host_handler}, old;

	is_int(pa_signal_host_action(SIGUSR1, &act, &old), 0, "other signals go straight on");
	ok(in_kernel(SIGUSR1) == (void *)host_handler, "to the kernel");
	is_int(pa_signal_host_action(SIGKILL, &act, NULL), -1, "with its refusals");
	ok(!pa_signal_claimable(SIGUSR1) && !pa_signal_claimable(SIGRTMIN - 1) &&
		   !pa_signal_claimable(0) && !pa_signal_claimable(65),
	   "none of these is ever claimed");
}

int main(void)
{
	pa_real_init();
	test_claim();
	test_view();
	test_next_choice();
	test_vfork();
	test_race();
	test_other_signals();
	return tap_done();
}
