/* SPDX-License-Identifier: Apache-2.0
 * The threads that answer. They come when there is more work than hands, up to a limit, and leave
 * after some idle seconds, so an agent nobody asks has none. */
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/lock.h"
#include "agent/base/log.h"
#include "agent/http/conn.h"

struct worker {
	bool used;
	struct pa_resp_buf *buf;
};

static struct {
	struct pa_lock lock;               /* over everything below but `signal` */
	struct pa_http_conn *first, *last; /* waiting, oldest first */
	struct pa_http_conn *returned;
	unsigned queued, idle, count;
	struct worker workers[PA_HTTP_WORKERS];
	_Atomic uint32_t signal; /* futex: grows with each submission */
	bool leaving;            /* who is idle leaves at once */
	pa_spawn_fn spawn;
	void (*wake)(void);
} pool;

void pa_pool_start(pa_spawn_fn spawn, void (*wake)(void))
{
	pool.spawn = spawn;
	pool.wake = wake;
	pool.leaving = false;
}

bool pa_pool_crowded(void)
{
	bool crowded;

	pa_lock(&pool.lock);
	crowded = pool.count == PA_HTTP_WORKERS && pool.queued > pool.idle;
	pa_unlock(&pool.lock);
	return crowded;
}

void pa_pool_leave(void)
{
	pa_lock(&pool.lock);
	pool.leaving = true;
	atomic_fetch_add_explicit(&pool.signal, 1, memory_order_relaxed);
	pa_unlock(&pool.lock);
	pa_futex_wake(&pool.signal, PA_HTTP_WORKERS);
}

static struct pa_http_conn *pop_locked(void)
{
	struct pa_http_conn *c = pool.first;

	if (!c)
		return NULL;
	pool.first = c->next;
	if (!pool.first)
		pool.last = NULL;
	pool.queued--;
	atomic_store_explicit(&c->state, PA_CONN_BUSY, memory_order_relaxed);
	return c;
}

static void retire_locked(struct worker *w)
{
	struct pa_resp_buf *buf = w->buf;

	w->buf = NULL; /* before the pages go: a child forked meanwhile must not find them */
	if (buf)
		pa_pages_free(buf, sizeof(*buf));
	w->used = false;
	pool.count--;
}

/* Waits for a connection; NULL when it is time to leave: the worker's slot is free then. */
static struct pa_http_conn *take(struct worker *w)
{
	uint64_t until = pa_clock_mono() + pa_http_patience.worker, now;
	struct pa_http_conn *c;

	pa_lock(&pool.lock);
	while (!(c = pop_locked())) {
		uint32_t seen = atomic_load_explicit(&pool.signal, memory_order_relaxed);

		now = pa_clock_mono();
		if (now >= until || pool.leaving) {
			retire_locked(w);
			break;
		}
		pool.idle++;
		pa_unlock(&pool.lock);
		pa_futex_wait(&pool.signal, seen, until - now);
		pa_lock(&pool.lock);
		pool.idle--;
	}
	pa_unlock(&pool.lock);
	return c;
}

static void worker_run(void *arg)
{
	struct worker *w = arg;
	struct pa_http_conn *c;

	while ((c = take(w))) {
		if (!w->buf)
			w->buf = pa_pages_alloc(sizeof(*w->buf));
		if (w->buf) {
			pa_http_answer(c, w->buf);
		} else {
			pa_http_refuse(c, 503, "the agent's memory budget is used up");
			c->keep_alive = false;
		}
		pa_lock(&pool.lock);
		c->next = pool.returned;
		pool.returned = c;
		pa_unlock(&pool.lock);
		pool.wake();
	}
}

/* One more worker if the idle ones do not suffice. */
static struct worker *recruit_locked(void)
{
	if (pool.queued <= pool.idle || pool.count == PA_HTTP_WORKERS)
		return NULL;
	for (size_t i = 0; i < PA_HTTP_WORKERS; i++) {
		struct worker *w = &pool.workers[i];

		if (w->used)
			continue;
		w->used = true;
		pool.count++;
		return w;
	}
	return NULL;
}

/* Starts a recruit's thread. False when that failed and nobody else is there. */
static bool start(struct worker *w)
{
	int err = pool.spawn("profagent-http", worker_run, w);
	unsigned left;

	if (!err)
		return true;
	pa_lock(&pool.lock);
	retire_locked(w);
	left = pool.count;
	pa_unlock(&pool.lock);
	pa_debug("no thread for an HTTP request: %s", pa_errno_text(err));
	return left > 0;
}

bool pa_pool_submit(struct pa_http_conn *c)
{
	struct worker *recruit;

	c->next = NULL;
	atomic_store_explicit(&c->state, PA_CONN_QUEUED, memory_order_relaxed);
	pa_lock(&pool.lock);
	if (pool.last)
		pool.last->next = c;
	else
		pool.first = c;
	pool.last = c;
	pool.queued++;
	atomic_fetch_add_explicit(&pool.signal, 1, memory_order_relaxed);
	recruit = recruit_locked();
	pa_unlock(&pool.lock);
	pa_futex_wake(&pool.signal, 1);
	return !recruit || start(recruit) || !pa_pool_withdraw(c);
}

bool pa_pool_withdraw(struct pa_http_conn *c)
{
	struct pa_http_conn **at = &pool.first, *before = NULL;
	bool found;

	pa_lock(&pool.lock);
	for (; *at && *at != c; at = &(*at)->next)
		before = *at;
	found = *at != NULL;
	if (found) {
		*at = c->next;
		if (pool.last == c)
			pool.last = before;
		pool.queued--;
	}
	pa_unlock(&pool.lock);
	return found;
}

struct pa_http_conn *pa_pool_returned(void)
{
	struct pa_http_conn *c;

	pa_lock(&pool.lock);
	c = pool.returned;
	if (c)
		pool.returned = c->next;
	pa_unlock(&pool.lock);
	return c;
}

void pa_pool_fork_child(void)
{
	/* The workers stayed behind; their pages came along. */
	for (size_t i = 0; i < PA_HTTP_WORKERS; i++)
		if (pool.workers[i].buf)
			pa_pages_free(pool.workers[i].buf, sizeof(*pool.workers[i].buf));
	memset(&pool, 0, sizeof(pool));
}
