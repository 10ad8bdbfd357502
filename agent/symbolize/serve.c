/* SPDX-License-Identifier: Apache-2.0
 * The agent's requests, one after the other. */
#include "agent/symbolize/serve.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/compiler.h"
#include "agent/symbolize/guard.h"
#include "agent/symbolize/module.h"
#include "agent/symbolize/protocol.h"
#include "agent/symbolize/reply.h"

#define REST_S    10 /* for the rest of a request, and for the agent to take an answer */
#define ANSWER_S  20 /* the longest work on an answer */
#define FDS_TAKEN 4

struct request {
	struct pa_symbolize_request head;
	int fd;
	uint64_t *vaddrs;
	char build_id[PA_SYMBOLIZE_TEXT + 1], path[PA_SYMBOLIZE_TEXT + 1];
};

/* The first descriptor that came; others are closed. */
static int take_fd(struct msghdr *m)
{
	int fds[FDS_TAKEN], first = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t size = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || size > sizeof(fds))
			continue;
		memcpy(fds, CMSG_DATA(c), size);
		for (size_t i = 0; i < size / sizeof(int); i++) {
			if (first < 0)
				first = fds[i];
			else
				close(fds[i]);
		}
	}
	return first;
}

/* Receives exactly that much, and the descriptor that comes along if ret_fd is not NULL. 1; 0 when
 * the agent has hung up, or has said nothing for as long; -EPROTO at half a message. */
static int receive(int socket, void *buf, size_t size, int *ret_fd, unsigned seconds)
{
	struct pollfd p = {.fd = socket, .events = POLLIN};
	size_t got = 0;

	while (got < size) {
		union {
			struct cmsghdr head;
			char bytes[CMSG_SPACE(FDS_TAKEN * sizeof(int))];
		} control;
		struct iovec iov = {(char *)buf + got, size - got};
		struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n;
		int r = poll(&p, 1, (int)seconds * 1000);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return got ? -EPROTO : 0;
		if (ret_fd) {
			m.msg_control = &control;
			m.msg_controllen = sizeof(control);
		}
		n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return got ? -EPROTO : 0;
		if (ret_fd && *ret_fd < 0)
			*ret_fd = take_fd(&m);
		got += (size_t)n;
		seconds = REST_S;
	}
	return 1;
}

static bool is_ascending(const uint64_t *vaddrs, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (vaddrs[i] < vaddrs[i - 1])
			return false;
	}
	return true;
}

static int receive_body(int socket, struct request *q)
{
	const struct pa_symbolize_request *head = &q->head;
	int r = 1;

	if (head->magic != PA_SYMBOLIZE_MAGIC || head->addr_count > PA_SYMBOLIZE_ADDRS ||
	    head->build_id_len > PA_SYMBOLIZE_TEXT || head->path_len > PA_SYMBOLIZE_TEXT)
		return -EPROTO;
	if (head->addr_count)
		r = receive(socket, q->vaddrs, head->addr_count * sizeof(*q->vaddrs), NULL, REST_S);
	if (r == 1 && head->build_id_len)
		r = receive(socket, q->build_id, head->build_id_len, NULL, REST_S);
	if (r == 1 && head->path_len)
		r = receive(socket, q->path, head->path_len, NULL, REST_S);
	q->build_id[head->build_id_len] = '\0';
	q->path[head->path_len] = '\0';
	return r == 1 && is_ascending(q->vaddrs, head->addr_count) ? 1 : -EPROTO;
}

static void give_address(void *arg, size_t index, const struct pa_dbg_frame *frames, size_t count)
{
	pa_dbg_reply_address(arg, index, frames, count);
}

static void pause_answer(void *arg)
{
	pa_dbg_reply_flush(arg);
}

static int answer(struct request *q, struct pa_dbg_reply *reply)
{
	const struct pa_dbg_object o = {q->fd, q->build_id, q->path};
	const struct pa_dbg_sink sink = {give_address, pause_answer, reply};

	reply->id = q->head.id;
	reply->function_count = 0;
	pa_dbg_watchdog(ANSWER_S);
	pa_dbg_lookup(&o, q->vaddrs, q->head.addr_count, &sink);
	pa_dbg_watchdog(0);
	if (q->fd >= 0)
		close(q->fd);
	q->fd = -1;
	pa_dbg_reply_simple(reply, PA_SYMBOLIZE_DONE);
	pa_dbg_reply_finish(reply, REST_S);
	return reply->failed ? -EPIPE : 1;
}

int pa_dbg_serve(int socket, unsigned idle_s)
{
	struct pa_dbg_reply reply = {.socket = socket};
	struct request *q = calloc(1, sizeof(*q));
	int r = -ENOMEM;

	if (q)
		q->vaddrs = malloc(PA_SYMBOLIZE_ADDRS * sizeof(*q->vaddrs));
	if (q && q->vaddrs) {
		pa_dbg_reply_simple(&reply, PA_SYMBOLIZE_HELLO);
		pa_dbg_reply_finish(&reply, REST_S);
		r = !reply.failed;
	}
	while (r == 1) {
		q->fd = -1;
		r = receive(socket, &q->head, sizeof(q->head), &q->fd, idle_s);
		if (r == 1)
			r = receive_body(socket, q);
		if (r == 1)
			r = answer(q, &reply);
	}
	if (q)
		free(q->vaddrs);
	free(q);
	free(reply.buf);
	return r < 0;
}
