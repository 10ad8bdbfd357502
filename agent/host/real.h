/* SPDX-License-Identifier: Apache-2.0
 * The functions behind ours: the only place that calls dlsym. Pointers are resolved in the
 * constructor with RTLD_NEXT, so that an allocator or wrapper preloaded behind us stays in the
 * chain; a hook that runs earlier resolves its own (pa_real_init is idempotent and lock-free). */
#ifndef PA_HOST_REAL_H
#define PA_HOST_REAL_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include <threads.h>

struct dl_find_object;

typedef void (*pa_sighandler)(int);

/* X(return type, name, parameters). One row per interposed or privately used function; syscall
 * first, for hook_seccomp.c. */
#define PA_REAL_FUNCTIONS(X)                                                                       \
	X(long, syscall, (long, ...))                                                              \
	X(int, pthread_create, (pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))   \
	X(int, thrd_create, (thrd_t *, thrd_start_t, void *))                                      \
	X(int, sigaction, (int, const struct sigaction *, struct sigaction *))                     \
	X(pa_sighandler, signal, (int, pa_sighandler))                                             \
	X(pa_sighandler, bsd_signal, (int, pa_sighandler))                                         \
	X(pa_sighandler, ssignal, (int, pa_sighandler))                                            \
	X(pa_sighandler, sysv_signal, (int, pa_sighandler))                                        \
	X(pa_sighandler, __sysv_signal, (int, pa_sighandler))                                      \
	X(pa_sighandler, sigset, (int, pa_sighandler))                                             \
	X(int, sigignore, (int))                                                                   \
	X(int, siginterrupt, (int, int))                                                           \
	X(int, sigwait, (const sigset_t *, int *))                                                 \
	X(int, sigwaitinfo, (const sigset_t *, siginfo_t *))                                       \
	X(int, sigtimedwait, (const sigset_t *, siginfo_t *, const struct timespec *))             \
	X(int, sigaltstack, (const stack_t *, stack_t *))                                          \
	X(int, prctl, (int, ...))                                                                  \
	X(pid_t, fork, (void))                                                                     \
	X(int, daemon, (int, int))                                                                 \
	X(pid_t, forkpty, (int *, char *, const void *, const void *))                             \
	X(int, _dl_find_object, (void *, struct dl_find_object *)) /* glibc 2.35 */

struct pa_real {
#define PA_REAL_FIELD(ret, name, params) ret(*name) params;
	PA_REAL_FUNCTIONS(PA_REAL_FIELD)
#undef PA_REAL_FIELD
};

/* NULL entries: this libc has no such function. */
extern struct pa_real pa_real;

/* Whether the program was built with ThreadSanitizer. It must see each thread from its start, and
 * the functions that it puts before libc's do not work before its own constructor. Any thread. */
bool pa_real_thread_sanitizer(void);

/* Resolves what is not resolved yet. Any thread, also before the constructor. */
void pa_real_init(void);

#endif
