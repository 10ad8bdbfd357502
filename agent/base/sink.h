/* SPDX-License-Identifier: Apache-2.0
 * Where encoders write to: a bounded writer with a sticky error, so that callers check once at
 * the end. Implementations embed struct pa_sink as their first member. */
#ifndef PA_BASE_SINK_H
#define PA_BASE_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct pa_sink {
	/* Takes all of data or returns -errno. Never called again after a failure. */
	int (*write)(struct pa_sink *s, const void *data, size_t len);
	uint64_t total; /* bytes accepted */
	int error;      /* first failure, -errno; 0 so far */
};

/* Appends; does nothing after an error. */
void pa_sink_write(struct pa_sink *s, const void *data, size_t len);
void pa_sink_puts(struct pa_sink *s, const char *str);

/* Formats with pa_fmt's conversions; what is 1 KiB or longer goes through memory of the budget
 * (-ENOMEM). */
void pa_sink_printf(struct pa_sink *s, const char *fmt, ...) PA_PRINTF(2, 3);

/* A sink into memory that grows up to `max` bytes, then fails with -EFBIG. Zero-initialise via
 * pa_sink_mem_init; done frees the memory. The bytes are buf[0..sink.total). */
struct pa_sink_mem {
	struct pa_sink sink;
	char *buf;
	size_t cap;
	size_t max;
};
void pa_sink_mem_init(struct pa_sink_mem *m, size_t max);
void pa_sink_mem_done(struct pa_sink_mem *m);

#endif
