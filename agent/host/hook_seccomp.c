/* SPDX-License-Identifier: Apache-2.0
 * A thread that puts itself under a seccomp filter may be killed for any system call that it does
 * not make itself, rt_sigreturn included: from then on it makes none for us and gets no signal. */
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "agent/base/compiler.h"
#include "agent/host/real.h"
#include "agent/host/thread.h"

PA_EXPORT long syscall(long nr, ...);
PA_EXPORT int prctl(int option, ...);

/* libseccomp asks with filters at NULL what the kernel can do. */
static bool sets_filter(long nr, long operation, long filter)
{
	return nr == SYS_seccomp && (operation == SECCOMP_SET_MODE_STRICT ||
				     (operation == SECCOMP_SET_MODE_FILTER && filter));
}

static bool is_for_all(long operation, long flags)
{
	return operation == SECCOMP_SET_MODE_FILTER && flags & SECCOMP_FILTER_FLAG_TSYNC;
}

/* seccomp(2), or a call before the constructor. */
__attribute__((used)) static long syscall_slow(long nr, long a, long b, long c, long d, long e,
					       long f)
{
	bool before;
	long ret;

	if (!pa_real.syscall)
		pa_real_init();
	if (!sets_filter(nr, a, c) || !pa_threads_active())
		return pa_real.syscall(nr, a, b, c, d, e, f);
	before = pa_thread_sandbox_enter(is_for_all(a, b));
	ret = pa_real.syscall(nr, a, b, c, d, e, f);
	if (ret)
		pa_thread_sandbox_failed(before);
	return ret;
}

#ifdef __x86_64__
/* All other calls go on by a jump: one that returns on another stack, or twice, must find the
 * caller's return address where libc would have left it. r11 is nobody's at a function's entry. */
_Static_assert(offsetof(struct pa_real, syscall) == 0, "first, for the assembler below");
_Static_assert(SYS_seccomp == 317, "in the assembler below");
__attribute__((naked)) long syscall(long nr PA_UNUSED, ...)
{
	__asm__("endbr64\n\t"
		"cmpl	$317, %edi\n\t"
		"je	syscall_slow\n\t"
		"movq	pa_real(%rip), %r11\n\t"
		"testq	%r11, %r11\n\t"
		"je	syscall_slow\n\t"
		"jmp	*%r11");
}
#else
/* All six, whatever the call takes: the kernel ignores the others. */
long syscall(long nr, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return syscall_slow(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
#endif

int prctl(int option, ...)
{
	long a, b, c, d;
	bool before;
	va_list ap;
	int ret;

	va_start(ap, option);
	a = va_arg(ap, long);
	b = va_arg(ap, long);
	c = va_arg(ap, long);
	d = va_arg(ap, long);
	va_end(ap);
	if (pa_unlikely(!pa_real.prctl))
		pa_real_init();
	if (option != PR_SET_SECCOMP || !pa_threads_active())
		return pa_real.prctl(option, a, b, c, d);
	before = pa_thread_sandbox_enter(false);
	ret = pa_real.prctl(option, a, b, c, d);
	if (ret)
		pa_thread_sandbox_failed(before);
	return ret;
}
