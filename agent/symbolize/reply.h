/* SPDX-License-Identifier: Apache-2.0
 * Replies to the agent. They are kept until they can be sent: an agent that does not listen at the
 * moment must not stop the work. */
#ifndef PA_SYMBOLIZE_REPLY_H
#define PA_SYMBOLIZE_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/symbolize/lookup.h"

struct pa_dbg_reply {
	int socket;
	uint32_t id;             /* of the request */
	uint32_t function_count; /* functions that were defined */
	char *buf;
	size_t sent, len, cap;
	bool failed; /* the agent has gone, or there was no memory */
};

void pa_dbg_reply_simple(struct pa_dbg_reply *r, uint32_t kind);
void pa_dbg_reply_address(struct pa_dbg_reply *r, size_t index, const struct pa_dbg_frame *frames,
			  size_t count);

/* Sends what the agent takes at once. */
void pa_dbg_reply_flush(struct pa_dbg_reply *r);

/* Sends all, waiting up to that many seconds for each part. */
void pa_dbg_reply_finish(struct pa_dbg_reply *r, unsigned seconds);

#endif
