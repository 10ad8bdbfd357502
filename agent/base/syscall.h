/* SPDX-License-Identifier: Apache-2.0
 * System calls without libc's wrappers: those write errno, are cancellation points for a host
 * thread that is being cancelled, and may be interposed by the host or by ourselves. */
#ifndef PA_BASE_SYSCALL_H
#define PA_BASE_SYSCALL_H

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/compiler.h"

static inline long pa_sys6(long nr, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
#else
	int saved = errno;
	long ret = syscall(nr, a, b, c, d, e, f);

	if (ret == -1)
		ret = -errno;
	errno = saved;
	return ret;
#endif
}

#define PA_SYS_PAD(nr, a, b, c, d, e, f, ...)                                                      \
	pa_sys6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* pa_sys(SYS_close, fd): the kernel's return value, -errno on failure; errno is not touched. Up
 * to six integer or pointer arguments. Signal-safe. */
#define pa_sys(...) PA_SYS_PAD(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

/* Whether a raw return value is an error. mmap returns addresses, so its sign says nothing. */
#define PA_SYS_FAILED(ret) ((unsigned long)(ret) >= (unsigned long)-4095)

#endif
