/* SPDX-License-Identifier: Apache-2.0
 * Registers of an interrupted thread, x86-64. */
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#include "agent/unwind/arch.h"
#include "agent/unwind/unwind.h"

_Static_assert(offsetof(ucontext_t, uc_mcontext.gregs) == PA_ARCH_SIGFRAME_GREGS,
	       "the kernel's and libc's ucontext agree");
_Static_assert(REG_RIP + 1 == PA_ARCH_SIGFRAME_WORDS, "rip is the last register needed");

/* Index in gregs by DWARF number. */
static const uint8_t greg_of[PA_REG_COUNT] = {
	REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
	REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
};

uint64_t pa_sigframe_reg(const uint8_t *gregs, unsigned reg)
{
	uint64_t v;

	memcpy(&v, gregs + 8 * greg_of[reg], sizeof(v));
	return v;
}

void pa_regs_from_ucontext(struct pa_regs *regs, const void *ucontext)
{
	const ucontext_t *uc = ucontext;

	for (int i = 0; i < PA_REG_COUNT; i++)
		regs->r[i] = (uint64_t)uc->uc_mcontext.gregs[greg_of[i]];
}
