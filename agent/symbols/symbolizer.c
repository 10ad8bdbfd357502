/* SPDX-License-Identifier: Apache-2.0
 * Asking profagent-symbolize. */
#include "agent/symbols/symbolizer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "agent/base/clock.h"
#include "agent/base/lock.h"
#include "agent/base/log.h"
#include "agent/symbolize/protocol.h"
#include "agent/symbols/lines.h"
#include "agent/symbols/symbolizer_answer.h"
#include "agent/symbols/symbolizer_start.h"
#include "agent/symbols/symbolizer_wire.h"

#define IDLE_NS   (30 * PA_NS_PER_S)
#define STUCK_NS  (25 * PA_NS_PER_S) /* the program gives an answer 20 s */
#define HELLO_NS  (5 * PA_NS_PER_S)
#define ROUND_NS  (20 * PA_NS_PER_MS)
#define GONE_NS   PA_NS_PER_S /* one that was asked ends that soon only when it had begun to */
#define DEATHS    8           /* then it is not started again */
#define END_TRIES 20

static struct {
	struct pa_lock lock;
	_Atomic uint32_t turns; /* futex: grows when a conversation ends */
	bool busy;

	/* Of whoever is busy. */
	struct pa_symbolizer_program program;
	struct pa_symbolizer_answer answer;
	uint64_t used_ns, asked_ns;
	unsigned deaths;
	int given_up;      /* why the program cannot be started, -errno */
	bool has_said;     /* that it could not be started this time */
	bool has_answered; /* the one that runs */
	uint32_t id;
} talk = {.program = PA_SYMBOLIZER_NO_PROGRAM};

static bool claim(uint64_t deadline)
{
	for (;;) {
		uint32_t turn = atomic_load(&talk.turns);
		uint64_t now = pa_clock_mono();
		bool mine;

		pa_lock(&talk.lock);
		mine = !talk.busy;
		talk.busy = true;
		pa_unlock(&talk.lock);
		if (mine)
			return true;
		if (now >= deadline || atomic_load(&pa_symbolizer_stopping))
			return false;
		pa_futex_wait(&talk.turns, turn,
			      PA_MIN(deadline - now, PA_SYMBOLIZER_POLL_MS * PA_NS_PER_MS));
	}
}

static void release(void)
{
	pa_lock(&talk.lock);
	talk.busy = false;
	pa_unlock(&talk.lock);
	atomic_fetch_add(&talk.turns, 1);
	pa_futex_wake(&talk.turns, 1);
}

static void hang_up(void)
{
	pa_symbolizer_answer_end(&talk.answer);
	pa_symbolizer_program_end(&talk.program);
}

static void give_up(int error)
{
	talk.given_up = error;
	pa_warn("profiles have no line numbers: profagent-symbolize: %s", pa_errno_text(error));
}

/* Whether what has failed may well work next time: processes, memory or descriptors were at their
 * limit. */
static bool is_passing(int error)
{
	return error == -EAGAIN || error == -ENOMEM || error == -EMFILE || error == -ENFILE ||
	       error == -EBADF;
}

static void start_failed(int error)
{
	if (!is_passing(error)) {
		give_up(error);
	} else if (!talk.has_said) {
		talk.has_said = true;
		pa_warn("profiles have no line numbers now: profagent-symbolize: %s",
			pa_errno_text(error));
	}
}

/* The program has ended, or has said what it may not say. */
static void died(void)
{
	struct pa_lines *lines = talk.answer.lines;

	if (lines)
		pa_lines_blame(lines);
	hang_up();
	pa_debug("profagent-symbolize ended at work");
	if (++talk.deaths == DEATHS)
		give_up(-EPIPE);
}

/* Takes replies until the answer is whole. 0, -ETIMEDOUT, or the program is of no more use. */
static int take_answer(uint64_t deadline)
{
	struct pa_symbolizer_answer *a = &talk.answer;
	int r = 0;

	while (r == 0 && (r = pa_symbolizer_answer_take(a)) == 0) {
		long n = pa_symbolizer_receive(&talk.program, a->in + a->in_len,
					       sizeof(a->in) - a->in_len, deadline);

		if (n < 0)
			return (int)n;
		a->in_len += (size_t)n;
		if (pa_clock_mono() >= deadline)
			r = -ETIMEDOUT; /* one that never ends to speak */
	}
	return PA_MIN(r, 0);
}

/* Whether the program was gone already when it was asked, by itself or killed: it had answered before
 * and did not say a word. Or the host has closed its socket. */
static bool was_gone(int error)
{
	const struct pa_symbolizer_answer *a = &talk.answer;

	if (error == -EBADF)
		return true;
	return (error == -EPIPE || error == -ECONNRESET) && talk.has_answered && !a->in_len &&
	       !a->function_count && !a->address_count && pa_clock_mono() - talk.asked_ns < GONE_NS;
}

/* The end of a conversation that failed. */
static int failed(int error)
{
	if (was_gone(error)) {
		hang_up();
		return -ESTALE;
	}
	if (error == -ENOMEM || error == -ECANCELED)
		hang_up();
	else
		died();
	return error;
}

/* Finishes what an earlier call has begun. -ESTALE: see was_gone. */
static int finish_answer(uint64_t deadline)
{
	int r = 0;

	if (!talk.answer.open)
		return 0;
	r = take_answer(deadline);
	if (r == -ETIMEDOUT && pa_clock_mono() - talk.asked_ns < STUCK_NS)
		return r;
	if (r < 0)
		return failed(r);
	talk.has_answered = talk.answer.lines != NULL;
	pa_symbolizer_answer_end(&talk.answer);
	return 0;
}

/* Makes sure that the program runs and is idle. */
static int ready(uint64_t deadline)
{
	int r;

	if (atomic_load(&pa_symbolizer_stopping))
		return -ECANCELED;
	if (talk.program.sock.fd >= 0)
		return 0;
	if (talk.given_up)
		return talk.given_up;
	r = pa_symbolizer_program_start(&talk.program);
	if (r == 0) {
		talk.has_answered = false;
		talk.asked_ns = pa_clock_mono();
		pa_symbolizer_answer_begin(&talk.answer, 0, NULL, NULL, 0);
		r = take_answer(PA_MIN(deadline, talk.asked_ns + HELLO_NS));
	}
	/* A busy machine is no reason to give up: what the program says first is taken later. */
	if (r == 0) {
		pa_symbolizer_answer_end(&talk.answer);
	} else if (r != -ETIMEDOUT) {
		hang_up();
		if (r != -ECANCELED)
			start_failed(r);
	}
	return r;
}

static int ask_once(const struct pa_symbolizer_query *q, struct pa_lines *lines, uint64_t deadline)
{
	int r = ready(deadline);

	if (r == 0)
		r = pa_symbolizer_answer_begin(&talk.answer, ++talk.id, lines, q->vaddrs, q->count);
	if (r < 0)
		return r;
	talk.asked_ns = pa_clock_mono();
	r = pa_symbolizer_send(&talk.program, talk.id, q, deadline);
	if (r == 0)
		return finish_answer(deadline);
	if (r == -ETIMEDOUT) {
		hang_up(); /* it waits for the rest */
		return r;
	}
	return failed(r);
}

/* Ends a program that has ended. */
static void look_after_idle(void)
{
	if (talk.program.sock.fd >= 0 && !talk.answer.open && !pa_symbolizer_is_idle(&talk.program))
		hang_up();
}

static int ask(const struct pa_symbolizer_query *q, struct pa_lines *lines, uint64_t deadline)
{
	int r = finish_answer(deadline);

	if (r < 0 && talk.program.sock.fd >= 0)
		return r;
	look_after_idle();
	if (pa_lines_hopeless(lines))
		return -EPIPE;
	r = ask_once(q, lines, deadline);
	if (r == -ESTALE)
		r = ask_once(q, lines, deadline);
	return r == 0 && talk.answer.dropped ? -ENOMEM : r;
}

void pa_symbolizer_init(void)
{
	pa_symbolizer_program_init();
}

int pa_symbolizer_ask(const struct pa_symbolizer_query *q, struct pa_lines *lines,
		      uint64_t deadline)
{
	int r;

	if (!claim(deadline))
		return -ETIMEDOUT;
	r = ask(q, lines, deadline);
	talk.used_ns = pa_clock_mono();
	release();
	return r;
}

/* A keeper would send the host a SIGCHLD if that should exec (spawn.c): it stays no longer than it
 * must. */
static uint64_t idle_limit(void)
{
	return talk.program.child.keeper ? PA_NS_PER_S : IDLE_NS;
}

void pa_symbolizer_rest(void)
{
	if (!claim(0))
		return;
	if (talk.program.child.keeper && !talk.answer.open)
		hang_up();
	release();
}

void pa_symbolizer_round(void)
{
	uint64_t now = pa_clock_mono();

	if (!claim(0))
		return;
	if (talk.program.sock.fd >= 0 && finish_answer(now + ROUND_NS) == 0) {
		look_after_idle();
		if (now - talk.used_ns >= idle_limit())
			hang_up();
	}
	release();
}

void pa_symbolizer_stop(void)
{
	atomic_store(&pa_symbolizer_stopping, true);
}

void pa_symbolizer_end(void)
{
	pa_symbolizer_stop();
	for (int i = 0; i < END_TRIES; i++) {
		if (claim(pa_clock_mono() + PA_SYMBOLIZER_POLL_MS * PA_NS_PER_MS)) {
			hang_up();
			release();
			return;
		}
	}
}

void pa_symbolizer_fork_child(void)
{
	const bool stable = !talk.busy;

	pa_symbolizer_program_fork_child(&talk.program, stable);
	pa_symbolizer_answer_forget(&talk.answer, stable);
	talk.lock = (struct pa_lock){0};
	talk.busy = false;
	atomic_store(&pa_symbolizer_stopping, false);
}
