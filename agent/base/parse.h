/* SPDX-License-Identifier: Apache-2.0
 * Bounded text parsing: no locale, no errno, nothing past `len` is read. Signal-safe. */
#ifndef PA_BASE_PARSE_H
#define PA_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

/* Whole-string conversions: 0, -EINVAL (not a number, trailing bytes) or -ERANGE. base: 2 to 36,
 * no prefix. */
int pa_parse_u64(const char *s, size_t len, unsigned base, uint64_t *ret) PA_CHECKED;
int pa_parse_i64(const char *s, size_t len, int64_t *ret) PA_CHECKED;   /* base 10, optional sign */
int pa_parse_size(const char *s, size_t len, uint64_t *ret) PA_CHECKED; /* "64m": k m g, binary */
int pa_parse_bool(const char *s, size_t len,
		  bool *ret) PA_CHECKED; /* 1 t true yes on and opposites */

/* Reads digits of `base` (2 to 36) at *s, moves *s behind them; false, with nothing moved, when
 * there is none or the number does not fit. */
bool pa_scan_u64(const char **s, const char *end, unsigned base, uint64_t *ret);

/* Whether name matches a shell glob of * ? and [set]. */
bool pa_glob_match(const char *glob, size_t glob_len, const char *name);

#endif
