/* SPDX-License-Identifier: Apache-2.0
 * What the unwinder must know about the processor and its ABI. Only this file, regs_sig.c and
 * the expression patterns in cfi_rule.c differ between architectures. */
#ifndef PA_UNWIND_ARCH_H
#define PA_UNWIND_ARCH_H

#include <elf.h>

#include "agent/unwind/unwind.h"

#if !defined(__x86_64__)
#error "unwind tables: only x86-64 is written so far"
#endif

#define PA_ARCH_ELF_MACHINE EM_X86_64

#define PA_ARCH_PAGE UINT64_C(4096)

/* The second register that is followed through all frames: rbx, because the lazy binding
 * trampoline of ld.so (_dl_runtime_resolve_*) has its CFA on it. On aarch64 this will be x30. */
#define PA_REG_AUX 3

/* Registers that a called function may change (rax rdx rcx rsi rdi r8-r11), by number. */
#define PA_ARCH_SCRATCH_REGS 0xf37u

/* Where a call leaves the return address, relative to the CFA. */
#define PA_ARCH_RA_OFFSET (-8)

/* The stack pointer is a multiple of this at every call (psABI 3.2.2). */
#define PA_ARCH_CALL_ALIGN 16

/* No user code below the first page or above the 47-bit half. With five-level paging the kernel
 * still maps above it only on explicit request (Documentation/arch/x86/x86_64/5level-paging). */
#define PA_ARCH_CODE_MIN UINT64_C(0x1000)
#define PA_ARCH_CODE_MAX UINT64_C(0x7fffffffffff)

/* rt_sigframe once the handler has returned and popped the trampoline's address: the stack
 * pointer is at the ucontext (arch/x86/include/asm/sigframe.h). uc_mcontext.gregs follows
 * uc_flags, uc_link and uc_stack; what is needed of it ends with rip. */
#define PA_ARCH_SIGFRAME_GREGS 40
#define PA_ARCH_SIGFRAME_WORDS 17

/* Register `reg` (by DWARF number) out of the bytes at PA_ARCH_SIGFRAME_GREGS. Signal-safe. */
uint64_t pa_sigframe_reg(const uint8_t *gregs, unsigned reg);

#endif
