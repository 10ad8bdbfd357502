/* SPDX-License-Identifier: Apache-2.0
 * What people want to read of the names in symbol tables. */
#ifndef PA_SYMBOLS_NAME_H
#define PA_SYMBOLS_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* Length of a linkage name without what compilers append when they split, specialise or rename a
 * function: "foo.constprop.0", "_Z3foov.part.1.cold" and "foo.llvm.123" are foo, _Z3foov and foo.
 * Debug information calls all parts of a function by its one name. Only kinds that are known are cut
 * off, since dots may stand in any name of assembler, Go or Fortran. Any thread. */
size_t pa_name_base(const char *linkage);

/* Whether a is better than b as the name of one piece of code: fewer leading underscores (poll
 * before __poll), then the shorter, then the one that strcmp puts first. Any thread. */
bool pa_name_better(const char *a, const char *b);

#endif
