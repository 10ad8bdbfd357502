/* SPDX-License-Identifier: Apache-2.0
 * The sampling signal's handler: walks the interrupted stack in place, on the thread itself, and
 * leaves the frames in a ring. Not even errno is touched: a thread made by clone(2) may have no
 * thread-local storage, or somebody else's. */
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#include "agent/base/modules.h"
#include "agent/base/peek.h"
#include "agent/host/signal.h"
#include "agent/host/thread.h"
#include "collectors/cpu_timer.h"

#define FOREIGN_COPY (32u << 10) /* stack bytes kept where the stack's bounds are not known */

/* Bytes below the stack pointer that belong to the interrupted function (psABI, 3.2.2): registers
 * saved there, or just popped, are looked up there. The kernel leaves them alone. */
#define RED_ZONE 128

struct pa_cpu_session pa_cpu_session;

struct pa_ring *pa_cpu_ring(uint32_t slot)
{
	return &pa_cpu_session.rings[slot % PA_CPU_SHARDS];
}

/* The slot whose timer sent this; NULL for a signal of the host's, or of a timer that is gone. */
static struct pa_thread *sender(const siginfo_t *info, bool *ret_ours)
{
	uint64_t cookie = (uint64_t)(uintptr_t)info->si_value.sival_ptr;
	struct pa_thread *t;

	*ret_ours = pa_signal_is_agents(info);
	if (!*ret_ours)
		return NULL;
	t = pa_thread_slot((uint32_t)cookie);
	if (!t || pa_cpu_cookie(t->index, atomic_load(&t->generation)) != cookie)
		return NULL;
	return t;
}

static bool in_region(uintptr_t at, uintptr_t low, uintptr_t end)
{
	return low && at >= low && at < end;
}

static struct pa_stack_view view_of(uintptr_t sp, uintptr_t low, uintptr_t end)
{
	uintptr_t lo = sp - low > RED_ZONE ? sp - RED_ZONE : low;

	return (struct pa_stack_view){lo, end, (const uint8_t *)lo};
}

/* The stack that sp lies on, from its red zone to its end, and the other one that a signal frame
 * may lead to. False: sp lies on none that we know (coroutine, raw clone), or where nothing is
 * mapped. The kernel has proved the stack that we run on; on an alternate one that says nothing
 * about sp, which may be in a guard page. */
static bool stack_views(const struct pa_thread *t, const ucontext_t *uc, uintptr_t sp,
			struct pa_stack_view *stack, struct pa_stack_view *other)
{
	uintptr_t alt = (uintptr_t)uc->uc_stack.ss_sp, alt_end = alt + uc->uc_stack.ss_size;
	uintptr_t low = t->stack_low, here = (uintptr_t)__builtin_frame_address(0);

	*other = (struct pa_stack_view){0};
	if (in_region(sp, low, t->stack_end)) {
		*stack = view_of(sp, low, t->stack_end);
		return in_region(here, low, sp) || pa_peek_span(stack->lo, 1);
	}
	if (uc->uc_stack.ss_flags & SS_DISABLE || !in_region(sp, alt, alt_end))
		return false;
	*stack = view_of(sp, alt, alt_end);
	if (low)
		*other = (struct pa_stack_view){low, t->stack_end, (const uint8_t *)low};
	return true;
}

/* False when the ring has no room. */
static bool put_frames(const struct pa_thread *t, int n, enum pa_walk_end end, uint32_t generation,
		       uint32_t weight)
{
	struct pa_cpu_record *r;
	size_t bytes = (size_t)n * sizeof(t->frames[0]);

	r = pa_ring_reserve(pa_cpu_ring(t->index), (uint32_t)(sizeof(*r) + bytes));
	if (!r)
		return false;
	*r = (struct pa_cpu_record){
		.kind = PA_CPU_STACK,
		.end = (uint16_t)end,
		.weight = weight,
		.count = (uint32_t)n,
		.thread = t->index,
		.generation = generation,
	};
	memcpy(r->words, t->frames, bytes);
	pa_ring_commit(r);
	return true;
}

/* Keeps registers and stack for the agent thread. stack NULL: bounds unknown, copied with care
 * for what may not be mapped. generation: one that it may be of, PA_MODULES_NOW if it is of a later
 * one than there was. False when the ring has no room. */
static bool put_copy(const struct pa_thread *t, const struct pa_regs *regs,
		     const struct pa_stack_view *stack, uint32_t generation, uint32_t weight)
{
	size_t len = stack ? PA_MIN(stack->hi - stack->lo, (size_t)PA_CPU_COPY_MAX) : FOREIGN_COPY;
	struct pa_cpu_record *r;
	struct pa_cpu_copy *copy;
	ssize_t got;

	r = pa_ring_reserve(pa_cpu_ring(t->index), (uint32_t)(sizeof(*r) + sizeof(*copy) + len));
	if (!r)
		return false;
	copy = (struct pa_cpu_copy *)r->words;
	copy->regs = *regs;
	if (stack) {
		copy->lo = stack->lo;
		got = (ssize_t)pa_peek_span(stack->lo,
					    len); /* some have guard pages of their own */
		memcpy(copy->bytes, stack->bytes, (size_t)got);
	} else {
		copy->lo = regs->r[PA_REG_SP] - RED_ZONE;
		got = pa_peek(copy->lo, copy->bytes, len);
	}
	*r = (struct pa_cpu_record){
		.kind = PA_CPU_COPY,
		.weight = weight,
		.count = got > 0 ? (uint32_t)got : 0,
		.thread = t->index,
		.generation = generation,
	};
	pa_ring_commit(r);
	return true;
}

/* False when the sample is lost. */
static bool sample(struct pa_thread *t, const ucontext_t *uc, uint32_t weight)
{
	struct pa_regs *regs = (struct pa_regs *)t->registers;
	struct pa_stack_view stack, other;
	enum pa_walk_end end;
	uint32_t generation;
	int n;

	_Static_assert(sizeof(t->registers) == sizeof(*regs), "room for all of them");
	pa_regs_from_ucontext(regs, uc);
	if (!stack_views(t, uc, regs->r[PA_REG_SP], &stack, &other))
		return put_copy(t, regs, NULL, pa_unwind_generation(), weight);
	if (pa_cpu_session.copy_all)
		return put_copy(t, regs, &stack, pa_unwind_generation(), weight);
	n = pa_unwind_walk(regs, &stack, &other, t->frames, PA_STACK_DEPTH, &end, &generation);
	if (end == PA_WALK_NO_TABLE) {
		if (put_copy(t, regs, &stack, PA_MODULES_NOW, weight))
			return true;
		n -= n > 1; /* the last one may be in another object than that generation's */
	}
	return put_frames(t, n, end, generation, weight);
}

static bool counts(const struct pa_thread *t)
{
	const struct pa_cpu_session *s = &pa_cpu_session;

	return atomic_load(&s->active) && atomic_load(&t->cpu_window) == atomic_load(&s->window);
}

/* Whether the sample was taken. */
static bool sample_guarded(struct pa_thread *t, const ucontext_t *uc, uint32_t weight)
{
	struct pa_cpu_session *s = &pa_cpu_session;
	bool taken;

	/* Seen by the agent before it frees the rings: it clears `active`, then waits for zero
	 * handlers; we count ourselves, then look at `active` (both seq_cst). */
	if (atomic_exchange(&t->cpu_handling, 1))
		return false;
	atomic_fetch_add(&s->handlers, 1);
	taken = !counts(t) || sample(t, uc, weight);
	atomic_fetch_sub(&s->handlers, 1);
	atomic_store(&t->cpu_handling, 0);
	return taken;
}

void pa_cpu_timer_handler(int signo, siginfo_t *info, void *ucontext)
{
	struct pa_cpu_session *s = &pa_cpu_session;
	bool ours;
	struct pa_thread *t = sender(info, &ours);
	uint32_t weight = 1 + PA_MIN((uint32_t)info->si_overrun, s->overrun_max);

	if (!ours)
		pa_signal_chain(signo, info, ucontext);
	if (!t || !counts(t))
		return;
	atomic_fetch_add_explicit(&t->cpu_ticks, weight, memory_order_relaxed);
	/* A handler of the host's could jump out of a sample and leave it unfinished for ever. */
	if (!pa_signal_masked(signo) || !sample_guarded(t, ucontext, weight))
		atomic_fetch_add_explicit(&s->lost, weight, memory_order_relaxed);
}
