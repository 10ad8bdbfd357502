/* SPDX-License-Identifier: Apache-2.0
 * A response while it is being written. */
#ifndef PA_HTTP_RESPOND_H
#define PA_HTTP_RESPOND_H

#include "agent/base/sink.h"
#include "agent/http/conn.h"

struct pa_http_resp {
	struct pa_sink sink; /* the body; first, as the write function casts */
	struct pa_http_conn *conn;
	struct pa_resp_buf *buf;
	int status;
	size_t head_len; /* header lines so far in buf->head */
	size_t body_len; /* bytes waiting in buf->body */
	bool begun;      /* the head is on its way */
	bool chunked;
	uint64_t sent; /* body bytes put on the wire */
};

void pa_http_resp_init(struct pa_http_resp *r, struct pa_http_conn *c, struct pa_resp_buf *buf);

/* Sends what is still waiting and the end. Afterwards c->keep_alive says whether the connection
 * can go on. */
void pa_http_resp_finish(struct pa_http_resp *r);

#endif
