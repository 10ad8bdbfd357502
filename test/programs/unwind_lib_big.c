/* SPDX-License-Identifier: Apache-2.0
 * A library with more unwind information than a small budget has room for. */
#include "test/programs/unwind_lib.h"

__asm__(".text\n"
	".rept 20000\n"
	".cfi_startproc\n"
	"nop\n"
	".cfi_def_cfa_offset 16\n"
	"nop\n"
	".cfi_endproc\n"
	".endr\n");

UNWIND_LIB(64)
