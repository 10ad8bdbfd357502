/* SPDX-License-Identifier: Apache-2.0
 * The poll thread: accepts, reads requests, gives them to workers, takes connections back. */
#include "agent/http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/lock.h"
#include "agent/core/self.h"
#include "agent/http/conn.h"

/* How often to look after descriptors that the host may have closed: poll(2) keeps such a socket
 * alive and says nothing. */
#define WATCH_NS        PA_NS_PER_S
#define ACCEPT_PAUSE_NS (100 * PA_NS_PER_MS)
#define LOOK_NS         (20 * PA_NS_PER_MS)
#define ACCEPT_ROUNDS   64
#define STOP_WAIT_NS    (80 * PA_NS_PER_MS)

_Atomic uint16_t pa_http_port;
atomic_bool pa_http_stopping;

#define CONNS_ALL (PA_HTTP_CONNS + PA_HTTP_SPARE)

static struct pa_http_conn conns[CONNS_ALL];
static struct pa_listener listener = {.sock.fd = -1};

/* The pipe that ends poll(2). There are two so that a writer never sees one half replaced: it
 * uses the pipe that `wake_current` names while the other one is being made. */
static struct {
	struct pa_own_fd reader, writer;
} wake_pipe[2] = {{{.fd = -1}, {.fd = -1}}, {{.fd = -1}, {.fd = -1}}};
static _Atomic unsigned wake_current;
static atomic_bool wake_pending;

static void wake_ensure(void)
{
	unsigned current = atomic_load_explicit(&wake_current, memory_order_relaxed);
	unsigned next = !current;
	int fds[2];

	if (pa_own_fd_ours(&wake_pipe[current].reader) &&
	    pa_own_fd_ours(&wake_pipe[current].writer))
		return;
	pa_own_fd_close(&wake_pipe[current].reader);
	pa_own_fd_close(&wake_pipe[current].writer);
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return; /* the watch interval is the fallback */
	pa_own_fd_take(&wake_pipe[next].reader, fds[0]);
	pa_own_fd_take(&wake_pipe[next].writer, fds[1]);
	atomic_store_explicit(&wake_current, next, memory_order_release);
	atomic_store_explicit(&wake_pending, false, memory_order_relaxed);
}

/* Any thread. */
static void wake(void)
{
	unsigned current;

	if (atomic_exchange_explicit(&wake_pending, true, memory_order_acq_rel))
		return;
	current = atomic_load_explicit(&wake_current, memory_order_acquire);
	/* A full pipe wakes as well as one more byte would. */
	if (pa_own_fd_ours(&wake_pipe[current].writer) &&
	    write(wake_pipe[current].writer.fd, "", 1) < 0 && errno != EAGAIN)
		atomic_store_explicit(&wake_pending, false, memory_order_relaxed);
}

static void wake_drain(void)
{
	struct pa_own_fd *reader = &wake_pipe[wake_current].reader;
	char waste[64];

	/* Cleared first: who sets it from now on writes again. */
	atomic_store_explicit(&wake_pending, false, memory_order_release);
	while (pa_own_fd_ours(reader) && read(reader->fd, waste, sizeof(waste)) == sizeof(waste))
		;
}

/* Who goes when there is no room: 0 cannot go; the higher the sooner. */
static int dispensable(const struct pa_http_conn *c)
{
	switch ((enum pa_conn_state)c->state) {
	case PA_CONN_LINGER:
		return 3;
	case PA_CONN_HEAD:
		return c->in_len ? 1 : 2;
	case PA_CONN_BODY:
		return 1;
	default:
		return 0;
	}
}

/* Closes the most dispensable connection, the oldest of its kind. NULL: all are being answered. */
static struct pa_http_conn *evict(void)
{
	struct pa_http_conn *victim = NULL;

	for (size_t i = 0; i < PA_HTTP_CONNS; i++) {
		struct pa_http_conn *c = &conns[i];

		if (!dispensable(c))
			continue;
		if (!victim || dispensable(c) > dispensable(victim) ||
		    (dispensable(c) == dispensable(victim) && c->since < victim->since))
			victim = c;
	}
	if (victim) {
		pa_conn_close(victim);
		pa_self_add(PA_SELF_http_refused, 1);
	}
	return victim;
}

/* A free connection out of [from, to); NULL: none. */
static struct pa_http_conn *free_conn(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (conns[i].state == PA_CONN_FREE)
			return &conns[i];
	return NULL;
}

static void admit(int fd)
{
	struct pa_http_conn *c = free_conn(0, PA_HTTP_CONNS);

	if (!c)
		c = evict();
	if (c) {
		pa_conn_open(c, fd);
		/* Most clients have written already; and who has is not evicted for the next. */
		pa_conn_readable(c);
		return;
	}
	pa_self_add(PA_SELF_http_refused, 1);
	c = free_conn(PA_HTTP_CONNS, CONNS_ALL);
	if (!c) {
		close(fd);
		return;
	}
	pa_conn_open(c, fd);
	pa_http_refuse(c, 503, "too many connections");
	pa_conn_linger(c);
}

static void accept_some(uint64_t now)
{
	for (int i = 0; i < ACCEPT_ROUNDS; i++) {
		int fd = pa_listener_accept(&listener);

		if (fd < 0) {
			if (fd == -EAGAIN)
				return;
			/* No descriptors or memory: poll(2) would report the listener again at
			 * once. Not a reason to evict: accept(2) fails so with nobody waiting. */
			listener.retry = now + ACCEPT_PAUSE_NS;
			return;
		}
		admit(fd);
	}
}

struct poll_set {
	struct pollfd fds[CONNS_ALL + 2];
	struct pa_http_conn *conn[CONNS_ALL + 2];
	nfds_t count;
	int listener; /* index, -1: not polled */
	uint64_t until;
};

static void poll_set_add(struct poll_set *p, const struct pa_own_fd *s, struct pa_http_conn *c)
{
	p->conn[p->count] = c;
	p->fds[p->count++] = (struct pollfd){.fd = s->fd, .events = POLLIN};
}

static void poll_set_build(struct poll_set *p, uint64_t now)
{
	p->count = 0;
	p->listener = -1;
	p->until = now + WATCH_NS;
	poll_set_add(p, &wake_pipe[wake_current].reader, NULL);
	if (listener.retry > now)
		p->until = PA_MIN(p->until, listener.retry);
	else if (listener.sock.fd >= 0) {
		p->listener = (int)p->count;
		poll_set_add(p, &listener.sock, NULL);
	}
	for (size_t i = 0; i < CONNS_ALL; i++) {
		struct pa_http_conn *c = &conns[i];
		int state = c->state;

		if (state == PA_CONN_HEAD || state == PA_CONN_BODY || state == PA_CONN_LINGER)
			poll_set_add(p, &c->sock, c);
		if (state != PA_CONN_FREE && state != PA_CONN_BUSY)
			p->until = PA_MIN(p->until, c->deadline);
	}
}

/* poll(2), and what stands for it where RLIMIT_NOFILE is below the number of descriptors asked
 * about (EINVAL; some programs lower it to 0 to lock themselves in): looking at all of them now and
 * then, as nothing here blocks. Returns whether something may have happened. */
static bool poll_wait(struct poll_set *p, uint64_t now)
{
	static _Atomic uint32_t nobody_wakes;
	uint64_t ns = p->until > now ? p->until - now : 0;
	int n = poll(p->fds, p->count, (int)((ns + PA_NS_PER_MS - 1) / PA_NS_PER_MS));

	if (n >= 0 || errno == EINTR)
		return n > 0;
	pa_futex_wait(&nobody_wakes, 0, PA_MIN(ns, LOOK_NS));
	for (nfds_t i = 0; i < p->count; i++)
		p->fds[i].revents = POLLIN;
	return true;
}

static void (*each_round)(void);

void pa_http_server_each_round(void (*fn)(void))
{
	each_round = fn;
}

static void poll_once(void)
{
	struct poll_set p;
	struct pa_http_conn *c;
	uint64_t now = pa_clock_mono();
	bool events;

	if (each_round)
		each_round();
	wake_ensure();
	pa_listener_ensure(&listener, now);
	poll_set_build(&p, now);
	events = poll_wait(&p, now);
	if (events && p.fds[0].revents)
		wake_drain();
	while ((c = pa_pool_returned()))
		pa_conn_returned(c);
	for (nfds_t i = 1; events && i < p.count; i++)
		if (p.fds[i].revents && p.conn[i])
			pa_conn_readable(p.conn[i]);
	now = pa_clock_mono();
	if (events && p.listener > 0 && p.fds[p.listener].revents)
		accept_some(now);
	for (size_t i = 0; i < CONNS_ALL; i++)
		if (conns[i].state != PA_CONN_FREE && conns[i].state != PA_CONN_BUSY &&
		    conns[i].deadline <= now)
			pa_conn_expired(&conns[i]);
}

/* Cuts the open requests and gives their workers a moment to notice. */
static void shut_down(void)
{
	uint64_t until = pa_clock_mono() + STOP_WAIT_NS;
	bool busy = true;

	pa_listener_close(&listener);
	pa_pool_leave();
	for (size_t i = 0; i < CONNS_ALL; i++) {
		struct pa_http_conn *c = &conns[i];

		if (c->state == PA_CONN_FREE)
			continue;
		if (c->state == PA_CONN_BUSY ||
		    (c->state == PA_CONN_QUEUED && !pa_pool_withdraw(c))) {
			if (pa_own_fd_ours(&c->sock))
				shutdown(c->sock.fd, SHUT_RDWR);
		} else {
			pa_conn_close(c);
		}
	}
	while (busy && pa_clock_mono() < until) {
		struct pollfd p = {.fd = wake_pipe[wake_current].reader.fd, .events = POLLIN};
		struct pa_http_conn *c;

		if (poll(&p, 1, 5) > 0)
			wake_drain();
		while ((c = pa_pool_returned()))
			pa_conn_close(c);
		busy = false;
		for (size_t i = 0; i < CONNS_ALL; i++)
			busy |= conns[i].state != PA_CONN_FREE;
	}
}

void pa_http_server_run(pa_spawn_fn spawn)
{
	pa_pool_start(spawn, wake);
	listener = (struct pa_listener){.sock.fd = -1};
	while (!atomic_load_explicit(&pa_http_stopping, memory_order_acquire))
		poll_once();
	shut_down();
	atomic_store_explicit(&pa_http_stopping, false, memory_order_release);
}

void pa_http_server_stop(void)
{
	atomic_store_explicit(&pa_http_stopping, true, memory_order_release);
	wake();
}

uint16_t pa_http_server_port(void)
{
	return atomic_load_explicit(&pa_http_port, memory_order_acquire);
}

void pa_http_server_fork_child(void)
{
	for (size_t i = 0; i < CONNS_ALL; i++) {
		struct pa_http_conn *c = &conns[i];

		if (c->state != PA_CONN_FREE)
			pa_own_fd_close(&c->sock);
		/* A body may have been growing at that very moment: its pages are left alone. */
		if (c->text)
			pa_pages_free(c->text, sizeof(*c->text));
		memset(c, 0, sizeof(*c));
	}
	pa_listener_close(&listener);
	for (size_t i = 0; i < 2; i++) {
		pa_own_fd_close(&wake_pipe[i].reader);
		pa_own_fd_close(&wake_pipe[i].writer);
	}
	atomic_store_explicit(&wake_pending, false, memory_order_relaxed);
	atomic_store_explicit(&pa_http_stopping, false, memory_order_relaxed);
	pa_pool_fork_child();
}
