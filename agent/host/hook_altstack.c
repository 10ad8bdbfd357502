/* SPDX-License-Identifier: Apache-2.0
 * sigaltstack: our handler runs on the alternate stack where there is one (coroutines want that).
 * One that was made for as little as a MINSIGSTKSZ of 2 KiB holds no signal frame of AVX-512, let
 * alone a handler: the kernel would kill the thread, or the handler write below it. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "agent/base/compiler.h"
#include "agent/base/peek.h"
#include "agent/host/real.h"
#include "agent/host/thread.h"

/* The frame with AVX-512 is 3.4 KiB, what we need at most 1 KiB. SIGSTKSZ was 8 KiB before glibc
 * 2.34. (A thread with AMX needs 12 KiB, and the kernel refuses to let it have less.) */
#define SIZE_MIN ((size_t)6 << 10)

static bool is_small(const stack_t *stack)
{
	/* A bad pointer is the kernel's to refuse. */
	return stack && pa_peek_span((uintptr_t)stack, sizeof(*stack)) == sizeof(*stack) &&
	       !(stack->ss_flags & SS_DISABLE) && stack->ss_size < SIZE_MIN;
}

PA_EXPORT int sigaltstack(const stack_t *stack, stack_t *old)
{
	bool small;
	int ret;

	if (pa_unlikely(!pa_real.sigaltstack))
		pa_real_init();
	if (!stack || !pa_threads_active() || pa_thread_sandboxed())
		return pa_real.sigaltstack(stack, old);
	small = is_small(stack);
	if (small)
		pa_thread_small_stack(true);
	ret = pa_real.sigaltstack(stack, old);
	if (ret == 0 && !small)
		pa_thread_small_stack(false);
	return ret;
}
