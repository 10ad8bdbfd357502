/* SPDX-License-Identifier: Apache-2.0
 * Connections and who works on them. A connection belongs to the poll thread while it is idle,
 * reading or lingering, to a worker from pa_pool_submit until the worker has put it on the
 * returned list; only the pool's lock protects the handing over. */
#ifndef PA_HTTP_CONN_H
#define PA_HTTP_CONN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "agent/base/compiler.h"
#include "agent/base/own_fd.h"
#include "agent/http/http.h"
#include "agent/http/parse.h"
#include "agent/http/server.h"

#define PA_HTTP_CONNS   64
#define PA_HTTP_SPARE   8 /* more, only to be told that there are too many */
#define PA_HTTP_WORKERS 16

/* How long the server is patient, in ns. Only tests change them. */
struct pa_http_patience {
	uint64_t head; /* from a head's first byte to its last */
	uint64_t body; /* for each 64 KiB of a request's body */
	uint64_t idle;
	uint64_t queue;  /* waiting for a worker */
	uint64_t write;  /* for each 16 KiB that the client takes */
	uint64_t crowd;  /* the same while others wait for a worker */
	uint64_t linger; /* as Go's rstAvoidanceDelay */
	uint64_t worker; /* idle until it leaves */
};
extern struct pa_http_patience pa_http_patience;

enum pa_conn_state {
	PA_CONN_FREE,
	PA_CONN_HEAD,   /* idle, or reading a head */
	PA_CONN_BODY,   /* reading a body */
	PA_CONN_QUEUED, /* complete, waiting for a worker */
	PA_CONN_BUSY,   /* a worker answers */
	PA_CONN_LINGER, /* answered and shut down; what still comes is thrown away */
};

/* What the router found; in the order in which it looks. */
enum pa_verdict {
	PA_VERDICT_SERVE,
	PA_VERDICT_HOST,     /* 403 */
	PA_VERDICT_AUTH,     /* 401 */
	PA_VERDICT_ASTERISK, /* OPTIONS *: 200, empty */
	PA_VERDICT_REDIRECT, /* 301 to conn_text.path */
	PA_VERDICT_OUTSIDE,  /* 404 page not found */
	PA_VERDICT_UNKNOWN,  /* 404 Unknown profile */
	PA_VERDICT_METHOD,   /* 405 */
};

struct pa_decision {
	enum pa_verdict verdict;
	const struct pa_route *route; /* PA_VERDICT_SERVE */
	const char *rest;             /* behind a prefix route */
	bool post;                    /* the path takes POST */
};

/* What a connection keeps of bytes. Only the pages in use are ever touched. */
struct pa_conn_text {
	char in[PA_HTTP_HEAD_MAX];       /* received, not used up yet */
	char raw[PA_HTTP_HEAD_MAX + 8];  /* escaped path, NUL, query, NUL */
	char path[PA_HTTP_HEAD_MAX + 8]; /* decoded, or the clean escaped path of a redirect */
};

struct pa_http_conn {
	struct pa_own_fd sock;
	_Atomic int state; /* enum pa_conn_state */
	uint64_t deadline; /* when the poll thread loses patience */
	uint64_t since;    /* last sign of life */
	uint64_t start;    /* when the request was complete */
	struct pa_http_conn *next;

	struct pa_conn_text *text; /* NULL while idle */
	size_t in_len, line;       /* bytes in text->in; where its last line begins */
	int forgiven; /* stray line ends that may still come behind a POST body, as in Go */

	/* The request that is being read or answered. */
	struct pa_http_req req;
	struct pa_decision decision;
	char method[16]; /* cut, for the log */
	bool head;       /* HEAD: no body goes out */
	bool http11;
	bool keep_alive;    /* after the answer the connection goes on */
	bool keep_alive_10; /* ... because a 1.0 client asked for it */
	bool discard;       /* nobody wants the body */
	bool chunked;
	struct pa_http_chunked chunks;
	uint64_t body_left; /* Content-Length bytes still to come */
	void *body;
	size_t body_cap;
	size_t body_seen; /* bytes kept or thrown away */
};

/* Routing (route.c). Fills text->raw, text->path and the decision from a parsed head. False: the
 * target is malformed. Any thread. */
bool pa_http_decide(struct pa_http_conn *c, const struct pa_http_head *head);

/* Finds the route of a path below the prefix ("/heap"); the verdict is SERVE, UNKNOWN or METHOD.
 * Any thread. */
struct pa_decision pa_http_find_route(enum pa_http_method method, const char *path);

/* Buffers of one response; of a worker. */
#define PA_HTTP_SMALL 2048 /* as Go's bufferBeforeChunkingSize */
struct pa_resp_buf {
	char head[24u << 10];
	char body[16 + (16u << 10) + 8]; /* room in front for a chunk's size, behind for CR LF */
};

/* Answers c's request by handler or verdict (respond.c). Worker only. */
void pa_http_answer(struct pa_http_conn *c, struct pa_resp_buf *buf);

/* Sends a short final answer without waiting; what does not fit the socket is lost. `text` NULL:
 * the status' name says it all. By the connection's owner. */
void pa_http_refuse(struct pa_http_conn *c, int status, const char *text);

/* Writes everything or gives up: 0, -EPIPE (client gone or too slow) or another -errno. */
int pa_http_send(struct pa_http_conn *c, struct iovec *iov, int count) PA_CHECKED;

/* Reading (conn.c), poll thread only. */
void pa_conn_open(struct pa_http_conn *c, int fd);
void pa_conn_close(struct pa_http_conn *c);
/* Bytes or the end have come: reads and acts on them. */
void pa_conn_readable(struct pa_http_conn *c);
/* A worker is done with it: next request, linger or close. */
void pa_conn_returned(struct pa_http_conn *c);
/* Its deadline is over. */
void pa_conn_expired(struct pa_http_conn *c);
void pa_conn_linger(struct pa_http_conn *c);

/* Workers (worker.c). */
/* `wake` is called when a connection comes back. */
void pa_pool_start(pa_spawn_fn spawn, void (*wake)(void));
/* Whether every worker is busy and somebody waits for one. Any thread. */
bool pa_pool_crowded(void);
/* Workers go as soon as they have nothing to do; until pa_pool_start. */
void pa_pool_leave(void);
/* Hands a complete request over. False: there is no worker and none could be started. */
bool pa_pool_submit(struct pa_http_conn *c);
/* Takes a connection back that no worker has begun with; false: too late. */
bool pa_pool_withdraw(struct pa_http_conn *c);
/* The next connection that a worker has finished with; NULL: none. */
struct pa_http_conn *pa_pool_returned(void);
void pa_pool_fork_child(void);

/* Listening (listen.c), poll thread only. */
struct pa_listener {
	struct pa_own_fd sock;
	uint64_t retry; /* when to try again to bind, or to accept */
	bool refused;   /* the settings do not allow to listen */
	int said;       /* the errno that was logged */
	uint16_t port;  /* that we had before */
};
/* Listens if it can and does not yet; makes sure that the socket is still ours. */
void pa_listener_ensure(struct pa_listener *l, uint64_t now);
/* A new connection's descriptor, or -errno; -EAGAIN: none is waiting. */
int pa_listener_accept(struct pa_listener *l) PA_CHECKED;
void pa_listener_close(struct pa_listener *l);

extern _Atomic uint16_t pa_http_port;
extern atomic_bool pa_http_stopping;

#endif
