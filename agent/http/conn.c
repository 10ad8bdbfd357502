/* SPDX-License-Identifier: Apache-2.0
 * One connection while the poll thread has it: reading a head, then a body, then away to a worker. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/http/conn.h"

/* Bodies that nobody wants are read up to here to keep the connection, as in Go. */
#define DISCARD_MAX (256u << 10)

/* All bodies together: a crowd of posters may not eat the agent's memory. */
#define BODIES_MAX (24u << 20)
static size_t bodies;

/* recv calls for one connection before the others get their turn. */
#define RECV_ROUNDS 64

struct pa_http_patience pa_http_patience = {
	.head = 10 * PA_NS_PER_S,
	.body = 30 * PA_NS_PER_S,
	.idle = 60 * PA_NS_PER_S,
	.queue = 5 * PA_NS_PER_S,
	.write = 30 * PA_NS_PER_S,
	.crowd = PA_NS_PER_S,
	.linger = 500 * PA_NS_PER_MS,
	.worker = 5 * PA_NS_PER_S,
};

static uint64_t soon(uint64_t ns)
{
	return pa_clock_mono() + ns;
}

static void state_set(struct pa_http_conn *c, enum pa_conn_state state)
{
	atomic_store_explicit(&c->state, state, memory_order_relaxed);
}

static void text_free(struct pa_http_conn *c)
{
	struct pa_conn_text *text = c->text;

	c->text = NULL; /* first: a child forked meanwhile frees what it finds here */
	if (text)
		pa_pages_free(text, sizeof(*text));
}

static void body_free(struct pa_http_conn *c)
{
	if (c->body)
		pa_pages_free(c->body, c->body_cap);
	bodies -= c->body_cap;
	c->body = NULL;
	c->body_cap = 0;
}

void pa_conn_open(struct pa_http_conn *c, int fd)
{
	memset(c, 0, sizeof(*c));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	pa_own_fd_take(&c->sock, fd);
	c->since = pa_clock_mono();
	c->deadline = c->since + pa_http_patience.idle;
	state_set(c, c->sock.fd < 0 ? PA_CONN_FREE : PA_CONN_HEAD);
}

void pa_conn_close(struct pa_http_conn *c)
{
	pa_own_fd_close(&c->sock);
	text_free(c);
	body_free(c);
	state_set(c, PA_CONN_FREE);
}

/* Closing a socket with unread input would reset it, and the client might lose the answer. */
void pa_conn_linger(struct pa_http_conn *c)
{
	text_free(c);
	body_free(c);
	if (!pa_own_fd_ours(&c->sock) || shutdown(c->sock.fd, SHUT_WR) < 0) {
		pa_conn_close(c);
		return;
	}
	c->deadline = soon(pa_http_patience.linger);
	state_set(c, PA_CONN_LINGER);
}

static void refuse(struct pa_http_conn *c, int status, const char *text)
{
	pa_http_refuse(c, status, text);
	pa_conn_linger(c);
}

static void submit(struct pa_http_conn *c)
{
	c->req.body = c->body ? c->body : "";
	c->start = pa_clock_mono();
	c->deadline = c->start + pa_http_patience.queue;
	if (!pa_pool_submit(c))
		refuse(c, 503, "no thread can be started");
}

static void input_drop(struct pa_http_conn *c, size_t len)
{
	c->in_len -= len;
	memmove(c->text->in, c->text->in + len, c->in_len);
}

/* 0 or the HTTP status that ends it. */
static int body_store(struct pa_http_conn *c, struct pa_http_text data)
{
	size_t before = c->body_cap;
	int err;

	if (c->body_seen / (64u << 10) != (c->body_seen + data.len) / (64u << 10))
		c->deadline = soon(pa_http_patience.body); /* it does move on */
	c->body_seen += data.len;
	if (c->discard || !data.len)
		return 0;
	if (c->body_seen > PA_HTTP_BODY_MAX)
		return 413;
	if (c->body_seen > before && bodies + c->body_seen > BODIES_MAX)
		return 503;
	err = pa_pages_grow(&c->body, &c->body_cap, c->body_seen);
	if (err < 0)
		return 503;
	bodies += c->body_cap - before;
	memcpy((char *)c->body + c->req.body_len, data.s, data.len);
	c->req.body_len += data.len;
	return 0;
}

/* Moves what has come into the body. Submits, refuses or leaves it waiting for more. */
static void body_advance(struct pa_http_conn *c)
{
	size_t used = 0;
	int status = 0;
	bool done = false;

	while (!status && !done && used < c->in_len) {
		struct pa_http_text data = {c->text->in + used, c->in_len - used};

		if (c->chunked) {
			used += pa_http_chunked_feed(&c->chunks, data.s, data.len, &data);
			done = c->chunks.done;
		} else {
			data.len = PA_MIN(data.len, c->body_left);
			used += data.len;
			c->body_left -= data.len;
			done = !c->body_left;
		}
		status = body_store(c, data);
		if (c->chunks.bad)
			status = 400;
		if (c->discard && !done && c->body_seen > DISCARD_MAX) {
			c->keep_alive = false;
			done = true;
		}
	}
	input_drop(c, used);
	if (status)
		refuse(c, status, status == 503 ? "too many request bodies at once" : NULL);
	else if (done)
		submit(c);
}

/* Tells a client that waits for it to go on. */
static void say_continue(struct pa_http_conn *c)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";

	/* 25 bytes into an empty socket buffer; if they do not fit the client is odd. */
	if (pa_own_fd_ours(&c->sock) &&
	    send(c->sock.fd, line, sizeof(line) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		c->keep_alive = false;
}

/* The head asks for a body: reads it, or answers at once when it is not worth it. */
static void body_begin(struct pa_http_conn *c, const struct pa_http_head *h)
{
	c->discard = c->decision.verdict != PA_VERDICT_SERVE || c->req.method != PA_HTTP_POST;
	c->chunked = h->chunked;
	c->chunks = (struct pa_http_chunked){0};
	c->body_left = h->content_length;
	if (c->discard && (h->expect_continue || h->content_length > DISCARD_MAX)) {
		c->keep_alive = false;
		submit(c);
		return;
	}
	if (h->content_length > PA_HTTP_BODY_MAX) {
		refuse(c, 413, NULL);
		return;
	}
	if (h->expect_continue && h->http11 && !c->in_len)
		say_continue(c);
	c->deadline = soon(pa_http_patience.body);
	state_set(c, PA_CONN_BODY);
	body_advance(c);
}

static void request_begin(struct pa_http_conn *c, const struct pa_http_head *h, size_t head_len)
{
	size_t n = PA_MIN(h->method_text.len, sizeof(c->method) - 1);

	memcpy(c->method, h->method_text.s, n);
	c->method[n] = '\0';
	c->req = (struct pa_http_req){.method = h->method};
	c->head = h->method == PA_HTTP_HEAD;
	c->http11 = h->http11;
	c->keep_alive_10 = !h->http11 && h->keep_alive && !h->close;
	c->keep_alive = h->http11 ? !h->close : c->keep_alive_10;
	c->forgiven = h->method == PA_HTTP_POST ? 4 : 0;
	c->body_seen = 0;
	c->line = 0;
	if (!pa_http_decide(c, h)) {
		refuse(c, 400, NULL);
		return;
	}
	input_drop(c, head_len); /* the head's texts end here */
	if (h->chunked || h->content_length)
		body_begin(c, h);
	else
		submit(c);
}

static void head_advance(struct pa_http_conn *c)
{
	char *in = c->text->in;
	struct pa_http_head h;
	const char *why;
	size_t len;
	int status;

	for (; c->forgiven && c->in_len && (*in == '\r' || *in == '\n'); c->forgiven--)
		input_drop(c, 1);
	if (!c->in_len) {
		text_free(c);
		c->deadline = soon(pa_http_patience.idle);
		return;
	}
	/* Nothing that begins like this becomes a request (a TLS greeting, for one). */
	if ((unsigned char)*in <= 0x20 || (unsigned char)*in >= 0x7f) {
		refuse(c, 400, NULL);
		return;
	}
	len = pa_http_head_find(in, c->in_len, &c->line);
	if (!len) {
		if (c->in_len == sizeof(c->text->in))
			refuse(c, c->line ? 431 : 414, NULL);
		return;
	}
	status = pa_http_head_parse(in, len, &h, &why);
	if (status)
		refuse(c, status, why);
	else
		request_begin(c, &h, len);
}

/* One recv. False when there is nothing more to do here. */
static bool receive(struct pa_http_conn *c)
{
	ssize_t n;

	if (!c->text)
		c->text = pa_pages_alloc(sizeof(*c->text));
	if (!c->text) {
		refuse(c, 503, "the agent's memory budget is used up");
		return false;
	}
	n = recv(c->sock.fd, c->text->in + c->in_len, sizeof(c->text->in) - c->in_len,
		 MSG_DONTWAIT);
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno == EAGAIN) {
		if (!c->in_len && c->state == PA_CONN_HEAD)
			text_free(c);
		return false;
	}
	if (n <= 0) {
		pa_conn_close(c);
		return false;
	}
	c->since = pa_clock_mono();
	if (c->state == PA_CONN_HEAD && !c->in_len)
		c->deadline = c->since + pa_http_patience.head;
	c->in_len += (size_t)n;
	return true;
}

static void drain(struct pa_http_conn *c)
{
	char waste[4096];

	for (int i = 0; i < RECV_ROUNDS; i++) {
		ssize_t n = recv(c->sock.fd, waste, sizeof(waste), MSG_DONTWAIT);

		if (n > 0 || (n < 0 && errno == EINTR))
			continue;
		if (n == 0 || errno != EAGAIN)
			pa_conn_close(c);
		return;
	}
}

void pa_conn_readable(struct pa_http_conn *c)
{
	if (!pa_own_fd_ours(&c->sock)) {
		pa_conn_close(c);
		return;
	}
	if (c->state == PA_CONN_LINGER) {
		drain(c);
		return;
	}
	for (int i = 0; i < RECV_ROUNDS && receive(c); i++) {
		if (c->state == PA_CONN_HEAD)
			head_advance(c);
		else
			body_advance(c);
		/* After a hand-over this thread has no business here. */
		if (c->state != PA_CONN_BODY && c->state != PA_CONN_HEAD)
			return;
	}
}

void pa_conn_returned(struct pa_http_conn *c)
{
	body_free(c);
	if (!c->keep_alive) {
		pa_conn_linger(c);
		return;
	}
	c->since = pa_clock_mono();
	c->deadline = c->since + pa_http_patience.head;
	state_set(c, PA_CONN_HEAD);
	head_advance(c);
}

void pa_conn_expired(struct pa_http_conn *c)
{
	switch ((enum pa_conn_state)c->state) {
	case PA_CONN_HEAD:
		if (c->in_len)
			refuse(c, 408, NULL);
		else
			pa_conn_close(c);
		break;
	case PA_CONN_BODY:
		refuse(c, 408, NULL);
		break;
	case PA_CONN_QUEUED:
		if (pa_pool_withdraw(c))
			refuse(c, 503, "all workers are busy");
		break;
	case PA_CONN_LINGER:
		pa_conn_close(c);
		break;
	case PA_CONN_FREE:
	case PA_CONN_BUSY:
		break;
	}
}
