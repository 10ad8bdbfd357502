/* SPDX-License-Identifier: Apache-2.0
 * snprintf without locale, allocation or floating point. Signal-safe. */
#ifndef PA_BASE_FMT_H
#define PA_BASE_FMT_H

#include <stdarg.h>
#include <stddef.h>

#include "agent/base/compiler.h"

/* Conversions: %s %.*s %.Ns %c %d %i %u %x %p %%, length l ll z j, width with optional 0 or -.
 * Always terminates buf when size > 0; returns the full length as snprintf does. */
size_t pa_fmt(char *buf, size_t size, const char *fmt, ...) PA_PRINTF(3, 4);
size_t pa_vfmt(char *buf, size_t size, const char *fmt, va_list ap);

#endif
