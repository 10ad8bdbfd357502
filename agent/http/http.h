/* SPDX-License-Identifier: Apache-2.0
 * What an endpoint sees of the HTTP/1.1 server (RFC 9112): a parsed request, a response to write
 * to. Behaviour follows Go's net/http and net/http/pprof (doc/http.md). */
#ifndef PA_HTTP_HTTP_H
#define PA_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/sink.h"

enum pa_http_method { PA_HTTP_GET, PA_HTTP_HEAD, PA_HTTP_POST, PA_HTTP_OTHER };

struct pa_http_req {
	enum pa_http_method method;
	const char *path;      /* decoded and clean, NUL-terminated */
	const char *rest;      /* for prefix routes: path behind the prefix and its slash */
	const char *raw_query; /* behind '?', undecoded, NUL-terminated; "" without */
	const char *body;      /* POST only: whole body, up to PA_HTTP_BODY_MAX */
	size_t body_len;
};
#define PA_HTTP_BODY_MAX (8u << 20)

/* The decoded first value of a query parameter into buf (cut at size-1), Go's rules: '+' is a
 * space, a pair with ';' or a bad escape does not count. False: absent. */
bool pa_http_query(const struct pa_http_req *req, const char *key, char *buf, size_t size);

/* Go's ParseInt(v, 10, 64) of a parameter: false when absent, empty or not an integer. */
bool pa_http_query_int(const struct pa_http_req *req, const char *key, int64_t *ret);

struct pa_http_resp;

/* Status (200 when never called) and headers; only before the first body byte. Name and value
 * must be valid header text; names and values are copied. */
void pa_http_status(struct pa_http_resp *r, int status);
void pa_http_header(struct pa_http_resp *r, const char *name, const char *value);

/* The body: written through, chunked once it exceeds 2 KiB (HTTP/1.1). Nothing is sent for HEAD.
 * The sink's error is set when the client is gone. */
struct pa_sink *pa_http_body(struct pa_http_resp *r);

/* An error answer as net/http/pprof writes it: text/plain, nosniff, X-Go-Pprof: 1, text + "\n".
 * Drops Content-Disposition. */
void pa_http_error(struct pa_http_resp *r, int status, const char *text);

/* The same without X-Go-Pprof, as Go's mux writes it. */
void pa_http_plain_error(struct pa_http_resp *r, int status, const char *text);

/* Whether the client has closed the connection. Its signature fits pa_window.cancelled. */
bool pa_http_client_gone(void *resp);

#define PA_ROUTE_PREFIX 0x1u /* also every path below */
#define PA_ROUTE_POST   0x2u /* POST is allowed too; GET and HEAD always are */

struct pa_route {
	const char *path; /* below PPROF_PREFIX: "/heap"; "/" is the index. NULL ends a table */
	unsigned flags;   /* PA_ROUTE_* */

	/* On an agent thread of its own: may block. */
	void (*handle)(const struct pa_http_req *req, struct pa_http_resp *resp);
};

#endif
