/* SPDX-License-Identifier: Apache-2.0
 * The socket of profagent-symbolize: requests go out, bytes come in. */
#ifndef PA_SYMBOLS_SYMBOLIZER_WIRE_H
#define PA_SYMBOLS_SYMBOLIZER_WIRE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct pa_symbolizer_program;
struct pa_symbolizer_query;

/* Set: whoever waits returns within PA_SYMBOLIZER_POLL_MS, with -ECANCELED. */
extern atomic_bool pa_symbolizer_stopping;
#define PA_SYMBOLIZER_POLL_MS 50

/* Sends all of a request. 0; -ETIMEDOUT or another -errno, when the program waits for the rest and is
 * of no more use; -EBADF when the socket is not ours any more. */
int pa_symbolizer_send(const struct pa_symbolizer_program *p, uint32_t id,
		       const struct pa_symbolizer_query *q, uint64_t deadline) PA_CHECKED;

/* Receives up to `size` bytes, at least 1. Their number or -errno: -EPIPE at the end. */
long pa_symbolizer_receive(const struct pa_symbolizer_program *p, void *buf, size_t size,
			   uint64_t deadline) PA_CHECKED;

/* Whether nothing is to be received, not even an end, and the socket is usable. */
bool pa_symbolizer_is_idle(const struct pa_symbolizer_program *p);

#endif
