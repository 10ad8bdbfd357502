/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/symbols/symbolizer_wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/clock.h"
#include "agent/symbolize/protocol.h"
#include "agent/symbols/symbolizer.h"
#include "agent/symbols/symbolizer_start.h"

atomic_bool pa_symbolizer_stopping;

/* Before each use of the socket: 0, or why there is to be none. */
static int check(const struct pa_symbolizer_program *p)
{
	if (atomic_load(&pa_symbolizer_stopping))
		return -ECANCELED;
	return pa_symbolizer_program_usable(p) ? 0 : -EBADF;
}

static int wait_for(const struct pa_symbolizer_program *p, short events, uint64_t deadline)
{
	struct pollfd poll_fd = {.fd = p->sock.fd, .events = events};
	uint64_t now = pa_clock_mono();
	int n;

	if (now >= deadline)
		return -ETIMEDOUT;
	n = poll(&poll_fd, 1,
		 (int)PA_MIN((deadline - now) / PA_NS_PER_MS + 1, PA_SYMBOLIZER_POLL_MS));
	return n < 0 && errno != EINTR ? -errno : 0;
}

long pa_symbolizer_receive(const struct pa_symbolizer_program *p, void *buf, size_t size,
			   uint64_t deadline)
{
	int r;

	while ((r = check(p)) == 0) {
		ssize_t n = recv(p->sock.fd, buf, size, MSG_DONTWAIT);

		if (n >= 0)
			return n ? n : -EPIPE;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_for(p, POLLIN, deadline);
		if (r < 0)
			return r;
	}
	return r;
}

bool pa_symbolizer_is_idle(const struct pa_symbolizer_program *p)
{
	char byte;

	return check(p) == 0 && recv(p->sock.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       (errno == EAGAIN || errno == EINTR);
}

/* Leaves out the first n bytes. */
static void advance(struct msghdr *m, size_t n)
{
	while (n) {
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

static int send_all(const struct pa_symbolizer_program *p, struct msghdr *m, uint64_t deadline)
{
	int r;

	while ((r = check(p)) == 0 && m->msg_iovlen) {
		ssize_t n = sendmsg(p->sock.fd, m, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n < 0)
			r = wait_for(p, POLLOUT, deadline);
		if (r < 0)
			return r;
		if (n > 0) {
			m->msg_controllen = 0; /* the descriptor goes with the first byte */
			advance(m, (size_t)n);
		}
	}
	return r;
}

int pa_symbolizer_send(const struct pa_symbolizer_program *p, uint32_t id,
		       const struct pa_symbolizer_query *q, uint64_t deadline)
{
	struct pa_symbolize_request head = {
		.magic = PA_SYMBOLIZE_MAGIC,
		.id = id,
		.addr_count = (uint32_t)q->count,
		.build_id_len = (uint32_t)PA_MIN(strlen(q->build_id), PA_SYMBOLIZE_TEXT),
		.path_len = (uint32_t)PA_MIN(strlen(q->path), PA_SYMBOLIZE_TEXT),
	};
	struct iovec iov[] = {
		{&head, sizeof(head)},
		{(void *)(uintptr_t)q->vaddrs, q->count * sizeof(*q->vaddrs)},
		{(void *)(uintptr_t)q->build_id, head.build_id_len},
		{(void *)(uintptr_t)q->path, head.path_len},
	};
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = PA_ARRAY_LEN(iov)};

	while (!iov[m.msg_iovlen - 1].iov_len)
		m.msg_iovlen--;
	if (q->fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &q->fd, sizeof(int));
	}
	return send_all(p, &m, deadline);
}
