/* SPDX-License-Identifier: Apache-2.0
 * Stacks of this process. `.eh_frame` of each loaded object is compiled on the agent thread into
 * sorted 8-byte rows; a walk then needs no lock, no allocation and no loader, so it runs in a
 * signal handler. Objects are kept in an immutable snapshot that is swapped atomically; an old
 * one is freed when no walk can still see it. */
#ifndef PA_UNWIND_UNWIND_H
#define PA_UNWIND_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

#define PA_STACK_DEPTH 256 /* most frames of one stack; deeper ones are cut and counted */

/* Registers by DWARF number (System V AMD64 psABI, figure 3.36): 0 rax 1 rdx 2 rcx 3 rbx 4 rsi
 * 5 rdi 6 rbp 7 rsp 8-15 r8-r15 16 return address (rip). */
#define PA_REG_COUNT 17
#define PA_REG_FP    6
#define PA_REG_SP    7
#define PA_REG_PC    16

struct pa_regs {
	uint64_t r[PA_REG_COUNT];
};

struct dl_find_object;

/* Gives the unwinder _dl_find_object (glibc 2.35, lock-free and async-signal-safe), with which a
 * walk notices that a library was opened or closed since the last update. NULL, or not calling
 * this: only an update notices. Constructor only. */
void pa_unwind_init(int (*find_object)(void *, struct dl_find_object *));

/* Registers out of a signal handler's ucontext_t. Signal-safe. */
void pa_regs_from_ucontext(struct pa_regs *regs, const void *ucontext);

/* Bytes below the stack pointer that a function without calls may use (psABI 3.2.2). */
#define PA_STACK_RED_ZONE 128

/* Stack memory [lo, hi) is readable at `bytes`: in place that is lo itself, in a copy anywhere. It
 * should begin PA_STACK_RED_ZONE below the stack pointer: the rules of some assembler routines
 * (OpenSSL's) read there. */
struct pa_stack_view {
	uintptr_t lo, hi;
	const uint8_t *bytes;
};

enum pa_walk_end {
	PA_WALK_COMPLETE,  /* reached the outermost frame */
	PA_WALK_TRUNCATED, /* more frames than asked for */
	PA_WALK_NO_TABLE, /* an object's rows are not ready: keep a copy, walk it after pa_unwind_update */
	PA_WALK_NO_STACK, /* the stack goes on outside the view */
	PA_WALK_BROKEN,   /* no rule led on */
};

/* Walks from *regs and writes the frames, leaf first: the exact pc for the leaf and for frames
 * interrupted by a signal, return address - 1 for callers, so that every address lies within its
 * call. Signal trampolines are left out. Returns the count (>= 1 when max >= 1) and why it
 * stopped. `other` (may be NULL) is a second readable region that a signal frame may lead to
 * (the thread's own stack when the walk starts on an alternate one). *ret_generation (may be NULL)
 * tells which objects the frames are of, see agent/base/modules.h. Bounded by max frames and by the
 * views. Signal-safe. */
int pa_unwind_walk(const struct pa_regs *regs, const struct pa_stack_view *stack,
		   const struct pa_stack_view *other, uint64_t *frames, int max,
		   enum pa_walk_end *ret_end, uint32_t *ret_generation);

/* The generation that a walk which begins now would return. Signal-safe. */
uint32_t pa_unwind_generation(void);

/* Re-reads the process' objects, enters them in the journal (agent/base/modules.h) and compiles
 * rows for those without; frees tables of objects that are gone once no walk uses them. Takes none of the loader's
 * locks. 0 or -errno; what does not fit the memory budget stays without rows (frame pointers are
 * followed there) and is counted. Agent thread only (serialised inside). */
int pa_unwind_update(void) PA_CHECKED;

/* Whether pc is in nothing that the last update has seen: an object that the program has loaded by
 * itself since, so that the loader does not know it either. Agent thread only. */
bool pa_unwind_unseen(uint64_t pc);

/* Whether pc lies in an executable object whose rows are ready, or in none at all, so that a
 * walk through it will not end in PA_WALK_NO_TABLE. Any thread. */
bool pa_unwind_ready(uint64_t pc);

/* Chooses who walks copied stacks (pa_unwind_walk_copy): "table" or "libunwind" (dlopen'ed
 * privately; for checking ours in the field). 0, -EINVAL for another name, -ENOENT when
 * libunwind is not installed. Agent thread only. */
int pa_unwind_engine_set(const char *name) PA_CHECKED;

/* As pa_unwind_walk on a copy, with the chosen engine. Agent thread only. */
int pa_unwind_walk_copy(const struct pa_regs *regs, const struct pa_stack_view *copy,
			uint64_t *frames, int max, enum pa_walk_end *ret_end,
			uint32_t *ret_generation);

struct pa_unwind_stats {
	size_t objects, rows, bytes; /* in the snapshot in force */
	uint64_t skipped_objects;    /* without rows: no .eh_frame, malformed, or over the budget */
	uint64_t inexpressible_rows; /* rules that no row kind can hold */
};
void pa_unwind_stats_get(struct pa_unwind_stats *ret);

/* In a forked child, single-threaded: drops the reader counts of threads that do not exist here.
 * Tables stay valid, the address space is the same. */
void pa_unwind_fork_child(void);

#endif
