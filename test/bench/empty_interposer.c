/* SPDX-License-Identifier: Apache-2.0
 * The floor of the benchmarks: exports what the agent exports to interpose (agent/exports.map)
 * and passes every call on. What this library costs is the price of being preloaded at all.
 *
 * With WITH_THREAD it starts one thread that sleeps for ever, as the agent does: the price of
 * taking libc's one-thread paths away from the host. test/bench/run refuses to measure when the
 * names here and in the agent differ. */
#include <dlfcn.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

typedef void (*handler)(int);

/* X(return type, name, parameters, arguments) */
#define FUNCTIONS(X)                                                                               \
	X(int, pthread_create,                                                                     \
	  (pthread_t * thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg),       \
	  (thread, attr, run, arg))                                                                \
	X(int, thrd_create, (thrd_t * thread, thrd_start_t run, void *arg), (thread, run, arg))    \
	X(int, sigaltstack, (const stack_t *ss, stack_t *old), (ss, old))                          \
	X(int, sigaction, (int signo, const struct sigaction *act, struct sigaction *old),         \
	  (signo, act, old))                                                                       \
	X(handler, signal, (int signo, handler h), (signo, h))                                     \
	X(handler, bsd_signal, (int signo, handler h), (signo, h))                                 \
	X(handler, ssignal, (int signo, handler h), (signo, h))                                    \
	X(handler, sysv_signal, (int signo, handler h), (signo, h))                                \
	X(handler, __sysv_signal, (int signo, handler h), (signo, h))                              \
	X(handler, sigset, (int signo, handler h), (signo, h))                                     \
	X(int, sigignore, (int signo), (signo))                                                    \
	X(int, siginterrupt, (int signo, int flag), (signo, flag))                                 \
	X(int, sigwait, (const sigset_t *set, int *signo), (set, signo))                           \
	X(int, sigwaitinfo, (const sigset_t *set, siginfo_t *info), (set, info))                   \
	X(int, sigtimedwait,                                                                       \
	  (const sigset_t *set, siginfo_t *info, const struct timespec *timeout),                  \
	  (set, info, timeout))                                                                    \
	X(pid_t, fork, (void), ())                                                                 \
	X(int, daemon, (int nochdir, int noclose), (nochdir, noclose))                             \
	X(pid_t, forkpty,                                                                          \
	  (int *master, char *name, const struct termios *termp, const struct winsize *winp),      \
	  (master, name, termp, winp))

#define DEFINE(ret, name, params, args)                                                            \
	static ret(*real_##name) params;                                                           \
	ret name params;                                                                           \
	ret name params                                                                            \
	{                                                                                          \
		if (!real_##name)                                                                  \
			*(void **)&real_##name = dlsym(RTLD_NEXT, #name);                          \
		return real_##name args;                                                           \
	}
FUNCTIONS(DEFINE)

/* Variadic: arguments that were not passed are read all the same and passed on, as libc does. */
long syscall(long number, ...)
{
	static long (*real)(long, ...);
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int prctl(int option, ...)
{
	static int (*real)(int, ...);
	unsigned long a[4];
	va_list ap;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "prctl");
	return real(option, a[0], a[1], a[2], a[3]);
}

#ifdef WITH_THREAD
static void *sleep_for_ever(void *arg)
{
	struct timespec day = {.tv_sec = 86400};

	for (;;)
		nanosleep(&day, NULL);
	return arg;
}

__attribute__((constructor)) static void start_thread(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256u << 10);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (!pthread_create(&thread, &attr, sleep_for_ever, NULL))
		pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
}
#endif
