/* SPDX-License-Identifier: Apache-2.0
 * What a program sees of signals that a profiler would like to have: what sigaction and its
 * relatives return, which handler runs with which mask, which calls are interrupted, how the
 * process dies.
 *
 *	host_signal view | ticks before | ticks during | restart | wait | die HOW */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "test/programs/host.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* The kernel's struct sigaction has 64 signals; what libc leaves behind them is noise. */
static uint64_t mask_bits(const sigset_t *set)
{
	uint64_t bits;

	memcpy(&bits, set, sizeof(bits));
	return bits;
}

static volatile int h1_calls, h2_calls, h2_code, h2_value;
static volatile uint64_t handler_mask;

static void note_mask(void)
{
	sigset_t now;

	pthread_sigmask(SIG_SETMASK, NULL, &now);
	handler_mask = mask_bits(&now);
}

static void h1(int signo)
{
	(void)signo;
	h1_calls++;
	note_mask();
}

static void h2(int signo, siginfo_t *info, void *uc)
{
	(void)signo;
	(void)uc;
	h2_calls++;
	h2_code = info->si_code;
	h2_value = info->si_value.sival_int;
	note_mask();
}

static const char *name_of(void (*handler)(int))
{
	if (handler == SIG_DFL)
		return "SIG_DFL";
	if (handler == SIG_IGN)
		return "SIG_IGN";
	if (handler == SIG_ERR)
		return "SIG_ERR";
	if (handler == SIG_HOLD)
		return "SIG_HOLD";
	if (handler == h1)
		return "h1";
	return handler == (void (*)(int))(void *)h2 ? "h2" : "somebody else's";
}

static void print_action(const char *what, const struct sigaction *a)
{
	printf("  %s: %s flags %x mask %llx restorer %s\n", what, name_of(a->sa_handler),
	       (unsigned)a->sa_flags, (unsigned long long)mask_bits(&a->sa_mask),
	       (unsigned)a->sa_flags & 0x04000000 ? (a->sa_restorer ? "set" : "NULL") : "none");
}

static void show(int signo)
{
	struct sigaction now;
	sigset_t mask;

	host_burn(25); /* the agent looks every 20 ms */
	memset(&now, 0, sizeof(now));
	if (sigaction(signo, NULL, &now))
		host_die("sigaction");
	print_action("now", &now);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	printf("  blocked: %llx\n", (unsigned long long)mask_bits(&mask));
}

/* Sends it to ourselves with a value; where nobody handles it that is only done when ignored. */
static void deliver(int signo)
{
	struct sigaction now;

	h1_calls = h2_calls = h2_code = h2_value = 0;
	handler_mask = 0;
	sigaction(signo, NULL, &now);
	if (now.sa_handler == SIG_DFL)
		return;
	sigqueue(getpid(), signo, (union sigval){.sival_int = 4711});
	printf("  delivered: h1 %d h2 %d code %d value %d mask %llx\n", h1_calls, h2_calls, h2_code,
	       h2_value, (unsigned long long)handler_mask);
}

#define RETURNS(call)                                                                              \
	do {                                                                                       \
		errno = 0;                                                                         \
		printf("%s = %s", #call, name_of(call));                                           \
		printf(" (errno %d)\n", errno);                                                    \
		deliver(signo);                                                                    \
		show(signo);                                                                       \
	} while (0)
#define RETURNS_INT(call)                                                                          \
	do {                                                                                       \
		errno = 0;                                                                         \
		printf("%s = %d", #call, call);                                                    \
		printf(" (errno %d)\n", errno);                                                    \
		deliver(signo);                                                                    \
		show(signo);                                                                       \
	} while (0)

static void set_action(int signo, void (*handler)(int), int flags, int masked)
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = flags}, old;
	int ret;

	sigemptyset(&act.sa_mask);
	if (masked) {
		sigaddset(&act.sa_mask, masked);
		sigaddset(&act.sa_mask, SIGKILL);
	}
	memset(&old, 0, sizeof(old));
	errno = 0;
	ret = sigaction(signo, &act, &old);
	printf("sigaction(%s, %x) = %d (errno %d)\n", name_of(handler), (unsigned)flags, ret,
	       errno);
	print_action("old", &old);
	show(signo);
	deliver(signo);
	show(signo);
}

static void view_of(int signo)
{
	void (*const info)(int) = (void (*)(int))(void *)h2;
	struct sigaction old;

	printf("signal %d\n", signo);
	show(signo);
	RETURNS(signal(signo, h1));
	RETURNS(signal(signo, SIG_IGN));
	RETURNS(signal(signo, SIG_DFL));
	set_action(signo, SIG_DFL, SA_RESTART | SA_NODEFER, SIGUSR2);
	set_action(signo, info, SA_SIGINFO | SA_RESTART | SA_ONSTACK, SIGUSR1);
	set_action(signo, h1, SA_NODEFER, 0);
	set_action(signo, info, SA_SIGINFO | SA_RESETHAND, SIGUSR2);
	set_action(signo, h1, SA_RESETHAND | SA_NODEFER | SA_RESTART, 0);
	set_action(signo, SIG_DFL, SA_SIGINFO, 0);
	set_action(signo, SIG_IGN, SA_SIGINFO, 0);
	RETURNS(sysv_signal(signo, h1));
	RETURNS(__sysv_signal(signo, h1));
	RETURNS(ssignal(signo, h1));
	RETURNS(sigset(signo, h1));
	RETURNS(sigset(signo, SIG_HOLD));
	RETURNS(sigset(signo, SIG_HOLD));
	RETURNS(sigset(signo, h1));
	RETURNS_INT(sigignore(signo));
	RETURNS(signal(signo, h1));
	RETURNS_INT(siginterrupt(signo, 1));
	RETURNS(signal(signo, h1));
	RETURNS_INT(siginterrupt(signo, 0));
	RETURNS(signal(signo, h1));
	RETURNS(signal(signo, SIG_ERR));
	RETURNS_INT(sigaction(signo, NULL, NULL));
	/* What most programs do that borrow a signal. */
	sigaction(signo, NULL, &old);
	signal(signo, SIG_IGN);
	RETURNS_INT(sigaction(signo, &old, NULL));
	RETURNS(signal(signo, SIG_DFL));
}

static void view(void)
{
	struct sigaction act = {.sa_handler = h1};
	const int invalid[] = {-1, 0, SIGKILL, SIGSTOP, 32, 33, 65, 1000};

	signal(SIGRTMAX - 1, h1);
	signal(SIGRTMAX - 1, SIG_DFL); /* flags stay: SA_RESTART */
	host_wait_file("HOST_GO");
	view_of(SIGPROF);
	view_of(SIGRTMAX - 1);
	for (size_t i = 0; i < sizeof(invalid) / sizeof(*invalid); i++) {
		errno = 0;
		printf("sigaction(%d) = %d", invalid[i], sigaction(invalid[i], &act, NULL));
		printf(" errno %d\n", errno);
		errno = 0;
		printf("signal(%d) = %s", invalid[i], name_of(signal(invalid[i], h1)));
		printf(" errno %d\n", errno);
	}
}

static volatile int own_ticks, other_ticks;

static void on_tick(int signo, siginfo_t *info, void *uc)
{
	(void)signo;
	(void)uc;
	if (info->si_code == SI_KERNEL) /* an interval timer's */
		own_ticks++;
	else
		other_ticks++;
}

/* The program's own profiling timer: its handler gets those ticks and no others. */
static void ticks(bool before)
{
	struct sigaction act = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct itimerval every = {{0, 12000}, {0, 12000}}, off = {{0, 0}, {0, 0}};
	uint64_t used;
	double expected;

	if (!before)
		host_wait_file("HOST_GO");
	sigaction(SIGPROF, &act, NULL);
	setitimer(ITIMER_PROF, &every, NULL);
	if (before)
		host_wait_file("HOST_GO");
	used = host_clock(CLOCK_PROCESS_CPUTIME_ID);
	own_ticks = 0;
	host_burn(800);
	used = host_clock(CLOCK_PROCESS_CPUTIME_ID) - used;
	setitimer(ITIMER_PROF, &off, NULL);
	/* The agent would have added 200. The kernel bunches ticks up on a busy machine. */
	expected = (double)used / 12e6;
	if (own_ticks < expected * 0.7 - 2 || own_ticks > expected * 1.3 + 2)
		printf("%d ticks, expected %.0f\n", own_ticks, expected);
	printf("ticks of others: %d\n", other_ticks);
	signal(SIGPROF, SIG_DFL);
	/* Long enough for one whole profile to begin and end with the signal taken. */
	host_burn(before ? 600 : 1500);
}

static int read_end;

static void *blocked_read(void *arg)
{
	char byte;
	ssize_t n = read(read_end, &byte, 1);

	(void)arg;
	return (void *)(intptr_t)(n < 0 ? -errno : byte);
}

static void restart_with(int flags)
{
	struct sigaction act = {.sa_handler = h1, .sa_flags = flags};
	pthread_t thread;
	void *result;
	int fds[2];

	if (pipe(fds))
		host_die("pipe");
	read_end = fds[0];
	h1_calls = 0;
	sigaction(SIGPROF, &act, NULL);
	pthread_create(&thread, NULL, blocked_read, NULL);
	host_burn(50);
	usleep(200000);
	pthread_kill(thread, SIGPROF);
	usleep(50000);
	if (write(fds[1], "x", 1) != 1)
		host_die("write");
	pthread_join(thread, &result);
	printf("flags %x: handler %d, read %ld\n", (unsigned)flags, h1_calls,
	       (long)(intptr_t)result);
	close(fds[0]);
	close(fds[1]);
}

/* A program that fetches its signal with sigwait leaves it at its default. */
static void wait_for(int signo)
{
	struct timespec second = {1, 0};
	siginfo_t info;
	sigset_t set;
	int got;

	sigemptyset(&set);
	sigaddset(&set, signo);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	host_burn(200);
	sigqueue(getpid(), signo, (union sigval){.sival_int = 42});
	got = sigtimedwait(&set, &info, &second);
	printf("signal %d value %d\n", got, info.si_value.sival_int);
	host_burn(200);
	got = sigtimedwait(&set, &info, &(struct timespec){0});
	printf("then %d errno %d\n", got, errno);
}

static void *kill_self(void *arg)
{
	host_burn(50);
	pthread_kill(pthread_self(), *(int *)arg);
	return NULL;
}

static void die(const char *how)
{
	int signo = SIGPROF;
	pthread_t thread;

	host_burn(100);
	if (!strcmp(how, "by-default")) {
		kill(getpid(), signo);
	} else if (!strcmp(how, "by-real-time")) {
		for (signo = SIGRTMIN; signo < SIGRTMAX - 1; signo++)
			signal(signo, SIG_IGN);
		kill(getpid(), SIGRTMAX - 1);
	} else if (!strcmp(how, "after-handler")) {
		signal(signo, h1);
		raise(signo);
		host_burn(60);
		signal(signo, SIG_DFL);
		printf("handler %d\n", h1_calls);
		fflush(stdout);
		host_burn(60);
		raise(signo);
	} else if (!strcmp(how, "after-one")) {
		sysv_signal(signo, h1);
		raise(signo);
		printf("handler %d\n", h1_calls);
		fflush(stdout);
		host_burn(60);
		raise(signo);
	} else if (!strcmp(how, "by-thread")) {
		pthread_create(&thread, NULL, kill_self, &signo);
		pthread_join(thread, NULL);
	} else if (!strcmp(how, "by-timer")) {
		setitimer(ITIMER_PROF, &(struct itimerval){.it_value = {0, 50000}}, NULL);
		host_burn(3000);
	} else if (!strcmp(how, "not")) {
		signal(signo, SIG_IGN);
		host_burn(60);
		raise(signo);
		kill(getpid(), signo);
		host_burn(60);
	}
	printf("alive\n");
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (!strcmp(mode, "view")) {
		view();
	} else if (!strcmp(mode, "ticks") && argc > 2) {
		ticks(!strcmp(argv[2], "before"));
	} else if (!strcmp(mode, "restart")) {
		host_wait_file("HOST_GO");
		restart_with(0);
		restart_with(SA_RESTART);
	} else if (!strcmp(mode, "wait")) {
		host_wait_file("HOST_GO");
		wait_for(SIGPROF);
		wait_for(SIGRTMAX - 1);
	} else if (!strcmp(mode, "die") && argc > 2) {
		host_wait_file("HOST_GO");
		die(argv[2]);
	}
	printf("end\n");
	return 0;
}
