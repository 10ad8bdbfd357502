/* SPDX-License-Identifier: Apache-2.0
 * Responses: header lines, then the body, with a Content-Length up to 2 KiB and in chunks above,
 * framed as Go's net/http frames them. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "agent/base/clock.h"
#include "agent/base/fmt.h"
#include "agent/base/lock.h"
#include "agent/http/respond.h"

#define CHUNK_ROOM 16 /* in front of the body: hexadecimal length, CR LF */
#define BODY_SIZE  (sizeof(((struct pa_resp_buf *)0)->body) - CHUNK_ROOM - 8)
#define HEAD_ROOM  512 /* kept free for the lines that finish the head */

#define LOOK_MS 200

/* Sleeps until the client takes more, which it has been expected to do since `begin`, or a moment,
 * so that stopping, a crowd and a descriptor that is no longer ours show. False: it will not. */
static bool wait_writable(struct pa_http_conn *c, uint64_t begin)
{
	static _Atomic uint32_t nobody_wakes;
	struct pollfd p = {.fd = c->sock.fd, .events = POLLOUT};
	uint64_t now = pa_clock_mono();
	uint64_t deadline =
		begin + (pa_pool_crowded() ? pa_http_patience.crowd : pa_http_patience.write);
	int n;

	if (now >= deadline || atomic_load_explicit(&pa_http_stopping, memory_order_relaxed))
		return false;
	n = poll(&p, 1, (int)PA_MIN((deadline - now) / PA_NS_PER_MS + 1, LOOK_MS));
	if (n < 0 && errno != EINTR) /* RLIMIT_NOFILE is 0 */
		pa_futex_wait(&nobody_wakes, 0, 10 * PA_NS_PER_MS);
	return n <= 0 || !(p.revents & (POLLERR | POLLNVAL));
}

/* Steps over n sent bytes. */
static void advance(struct msghdr *m, size_t n)
{
	while (n && m->msg_iovlen) {
		size_t part = PA_MIN(n, m->msg_iov->iov_len);

		m->msg_iov->iov_base = (char *)m->msg_iov->iov_base + part;
		m->msg_iov->iov_len -= part;
		n -= part;
		if (!m->msg_iov->iov_len) {
			m->msg_iov++;
			m->msg_iovlen--;
		}
	}
}

/* Callers give at most 16 KiB or so at a time, so one deadline for all of it also stops a client
 * that takes a byte now and then. */
int pa_http_send(struct pa_http_conn *c, struct iovec *iov, int count)
{
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)count};
	uint64_t begin = pa_clock_mono();

	while (m.msg_iovlen) {
		ssize_t n;

		if (!m.msg_iov->iov_len) {
			m.msg_iov++;
			m.msg_iovlen--;
			continue;
		}
		if (!pa_own_fd_ours(&c->sock))
			return -EBADF;
		n = sendmsg(c->sock.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0)
			advance(&m, (size_t)n);
		else if (errno == EAGAIN && !wait_writable(c, begin))
			return -EPIPE;
		else if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return 0;
}

/* The line of header `name`, NULL when it is not set. */
static char *header_find(struct pa_http_resp *r, const char *name, size_t *ret_len)
{
	char *line = r->buf->head, *end = line + r->head_len;
	size_t n = strlen(name);

	while (line < end) {
		char *lf = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)(lf - line) + 1;

		if (len > n && line[n] == ':' && !strncasecmp(line, name, n)) {
			*ret_len = len;
			return line;
		}
		line += len;
	}
	return NULL;
}

static void header_drop(struct pa_http_resp *r, const char *name)
{
	size_t len;
	char *line = header_find(r, name, &len);

	if (!line)
		return;
	memmove(line, line + len, r->head_len - (size_t)(line + len - r->buf->head));
	r->head_len -= len;
}

/* Appends a line; drops it whole when there is no room. */
static void header_add(struct pa_http_resp *r, size_t room, const char *name, const char *value)
{
	size_t left = sizeof(r->buf->head) - room - r->head_len;
	size_t len = pa_fmt(r->buf->head + r->head_len, left, "%s: ", name);

	if (len + strlen(value) + 2 >= left)
		return;
	memcpy(r->buf->head + r->head_len + len, value, strlen(value));
	len += strlen(value);
	memcpy(r->buf->head + r->head_len + len, "\r\n", 2);
	r->head_len += len + 2;
}

void pa_http_status(struct pa_http_resp *r, int status)
{
	if (!r->begun)
		r->status = status;
}

void pa_http_header(struct pa_http_resp *r, const char *name, const char *value)
{
	/* A line end would let the value's author write headers. */
	if (r->begun || strpbrk(value, "\r\n") || strpbrk(name, "\r\n:"))
		return;
	header_drop(r, name);
	header_add(r, HEAD_ROOM, name, value);
}

/* Decides about framing and finishes the head. `length` < 0: not known, more is to come. */
static size_t head_end(struct pa_http_resp *r, int64_t length, char *line, size_t size)
{
	struct pa_http_conn *c = r->conn;
	char text[PA_HTTP_DATE_SIZE];
	bool sized = length >= 0 && !(c->head && !length);

	pa_http_date(text, pa_clock_real() / PA_NS_PER_S);
	header_add(r, 64, "Date", text);
	if (sized) {
		pa_fmt(text, sizeof(text), "%llu", (unsigned long long)length);
		header_add(r, 64, "Content-Length", text);
	} else if (!c->head) {
		r->chunked = c->http11;
		if (r->chunked)
			header_add(r, 64, "Transfer-Encoding", "chunked");
		else
			c->keep_alive = false;
	}
	if (c->keep_alive_10 && (sized || c->head))
		header_add(r, 64, "Connection", "keep-alive");
	else if (!c->http11)
		c->keep_alive = false;
	else if (!c->keep_alive)
		header_add(r, 64, "Connection", "close");
	memcpy(r->buf->head + r->head_len, "\r\n", 2);
	r->head_len += 2;
	r->begun = true;
	return pa_fmt(line, size, "HTTP/1.%d %d %s\r\n", c->http11, r->status,
		      pa_http_status_text(r->status));
}

/* Sends the head if it is still here and what waits of the body. `last`: nothing comes behind. */
static int flush(struct pa_http_resp *r, bool last)
{
	char line[64], *body = r->buf->body + CHUNK_ROOM, size[CHUNK_ROOM];
	char end[] = "0\r\n\r\n";
	size_t len = r->conn->head ? 0 : r->body_len, n;
	struct iovec iov[4];
	int count = 0;

	if (!r->begun) {
		/* All there is waits in the buffer if this is the first and the last time. */
		n = head_end(r, last ? (int64_t)r->body_len : -1, line, sizeof(line));
		iov[count++] = (struct iovec){line, n};
		iov[count++] = (struct iovec){r->buf->head, r->head_len};
	}
	if (len && r->chunked) {
		n = pa_fmt(size, sizeof(size), "%x\r\n", (unsigned)len);
		memcpy(body - n, size, n);
		memcpy(body + len, "\r\n", 2);
		iov[count++] = (struct iovec){body - n, n + len + 2};
	} else if (len) {
		iov[count++] = (struct iovec){body, len};
	}
	if (last && r->chunked)
		iov[count++] = (struct iovec){end, sizeof(end) - 1};
	r->sent += len;
	r->body_len = 0;
	return count ? pa_http_send(r->conn, iov, count) : 0;
}

static int body_write(struct pa_sink *s, const void *data, size_t len)
{
	struct pa_http_resp *r = (struct pa_http_resp *)s;
	const char *from = data;

	while (len) {
		size_t limit = r->begun ? BODY_SIZE : PA_HTTP_SMALL;
		size_t part = PA_MIN(len, limit - PA_MIN(limit, r->body_len));
		int err;

		if (part) {
			memcpy(r->buf->body + CHUNK_ROOM + r->body_len, from, part);
			r->body_len += part;
			from += part;
			len -= part;
			continue;
		}
		err = flush(r, false);
		if (err < 0)
			return err;
	}
	return 0;
}

void pa_http_resp_init(struct pa_http_resp *r, struct pa_http_conn *c, struct pa_resp_buf *buf)
{
	*r = (struct pa_http_resp){
		.sink.write = body_write,
		.conn = c,
		.buf = buf,
		.status = 200,
	};
}

struct pa_sink *pa_http_body(struct pa_http_resp *r)
{
	return &r->sink;
}

void pa_http_resp_finish(struct pa_http_resp *r)
{
	/* After an error the end must not look like one: no last chunk, just a closed connection. */
	if (r->sink.error || flush(r, true) < 0)
		r->conn->keep_alive = false;
}

void pa_http_plain_error(struct pa_http_resp *r, int status, const char *text)
{
	pa_http_status(r, status);
	pa_http_header(r, "Content-Type", "text/plain; charset=utf-8");
	pa_http_header(r, "X-Content-Type-Options", "nosniff");
	if (r->begun) {
		/* Half an answer is out: the client must notice. */
		r->sink.error = -ECANCELED;
		return;
	}
	r->body_len = 0;
	r->sink.total = 0;
	pa_sink_puts(&r->sink, text);
	pa_sink_puts(&r->sink, "\n");
}

void pa_http_error(struct pa_http_resp *r, int status, const char *text)
{
	if (!r->begun)
		header_drop(r, "Content-Disposition");
	pa_http_header(r, "X-Go-Pprof", "1");
	pa_http_plain_error(r, status, text);
}

bool pa_http_client_gone(void *resp)
{
	struct pa_http_resp *r = resp;
	struct pollfd p = {.fd = r->conn->sock.fd, .events = POLLRDHUP};
	char byte;
	int n;

	if (!pa_own_fd_ours(&r->conn->sock))
		return true;
	/* The client's FIN counts even behind pipelined bytes, as Go's background read does. */
	n = poll(&p, 1, 0);
	if (n < 0) /* RLIMIT_NOFILE is 0 */
		return recv(p.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
	return p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL);
}
