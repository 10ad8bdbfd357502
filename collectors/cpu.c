/* SPDX-License-Identifier: Apache-2.0
 * CPU profile: one window at a time, through one of two engines. */
#include <errno.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/fmt.h"
#include "agent/base/log.h"
#include "agent/core/collector.h"
#include "agent/core/config.h"
#include "agent/core/self.h"
#include "collectors/cpu.h"

#define LOOK_NS (50 * PA_NS_PER_MS) /* between updates on suspicion */

static _Atomic bool busy;
static const struct pa_cpu_engine *_Atomic engine = &pa_cpu_timer; /* set once, at start */

/* A walk that begins or ends in code that nobody has told about: it may be there for a short time
 * only, so this is not left to the update that is made every second. */
static void look_around(struct pa_cpu_build *b, const uint64_t *frames, int count)
{
	uint64_t now;

	if (!count || !(pa_unwind_unseen(frames[0]) || pa_unwind_unseen(frames[count - 1])))
		return;
	now = pa_clock_mono();
	if (now < b->next_look)
		return;
	if (pa_unwind_update())
		pa_debug("unwind tables not complete");
	/* A broken walk may end in what is no code at all. */
	if (pa_unwind_unseen(frames[0]) || pa_unwind_unseen(frames[count - 1]))
		b->look_gap = PA_MIN(2 * b->look_gap, PA_NS_PER_S);
	else
		b->look_gap = 0;
	b->look_gap = PA_MAX(b->look_gap, LOOK_NS);
	b->next_look = now + b->look_gap;
}

/* The frames are canonical. */
static void add(struct pa_cpu_build *b, uint64_t *frames, int count, enum pa_walk_end end,
		uint64_t weight)
{
	int64_t values[2] = {(int64_t)weight, (int64_t)(weight * b->period_ns)};

	pa_self_add(PA_SELF_cpu_samples, weight);
	if (end == PA_WALK_TRUNCATED)
		pa_self_add(PA_SELF_cpu_stacks_truncated, weight);
	else if (end != PA_WALK_COMPLETE)
		pa_self_add(PA_SELF_cpu_stacks_broken, weight);
	if (end == PA_WALK_TRUNCATED)
		frames[count++] = PA_PSEUDO_FRAME(PA_PSEUDO_TRUNCATED);
	pa_profile_add(b->profile, frames, (size_t)count, values);
}

void pa_cpu_add(struct pa_cpu_build *b, const uint64_t *frames, int count, uint32_t generation,
		enum pa_walk_end end, uint64_t weight)
{
	uint64_t stack[PA_STACK_DEPTH + 1];

	count = PA_MIN(count, PA_STACK_DEPTH);
	memcpy(stack, frames, (size_t)count * sizeof(*frames));
	look_around(b, frames, count);
	pa_modules_frames(stack, (size_t)count, generation);
	add(b, stack, count, end, weight);
}

void pa_cpu_add_pseudo(struct pa_cpu_build *b, enum pa_pseudo what, uint64_t start_routine,
		       uint64_t weight)
{
	uint64_t frames[2] = {PA_PSEUDO_FRAME(what), start_routine};
	int64_t values[2] = {(int64_t)weight, (int64_t)(weight * b->period_ns)};

	if (!weight)
		return;
	pa_modules_frames(&frames[1], 1, PA_MODULES_NOW);
	pa_profile_add(b->profile, frames, start_routine ? 2 : 1, values);
}

void pa_cpu_add_copy(struct pa_cpu_build *b, const struct pa_regs *regs,
		     const struct pa_stack_view *copy, const uint64_t *kernel, int kernel_count,
		     uint32_t since, uint64_t weight)
{
	uint64_t frames[PA_STACK_DEPTH + 1];
	enum pa_walk_end end;
	const int k = PA_MIN(kernel_count, PA_STACK_DEPTH / 2), room = PA_STACK_DEPTH - k;
	uint32_t generation;
	int n;

	if (k)
		memcpy(frames, kernel, (size_t)k * sizeof(*frames));
	n = pa_unwind_walk_copy(regs, copy, frames + k, room, &end, &generation);
	if (end == PA_WALK_NO_TABLE && !pa_unwind_update())
		n = pa_unwind_walk_copy(regs, copy, frames + k, room, &end, &generation);
	look_around(b, frames + k, n);
	if (since == PA_MODULES_NOW)
		since = generation;
	if (!pa_modules_frames_since(frames + k, (size_t)n, since, generation)) {
		frames[k] = PA_PSEUDO_FRAME(PA_PSEUDO_NO_STACK);
		n = 1;
		end = PA_WALK_BROKEN;
	}
	pa_self_add(PA_SELF_cpu_samples_deferred, weight);
	add(b, frames, k + n, end, weight);
}

static int start(void)
{
	const char *wanted = pa_config()->cpu_engine;
	int err;

	engine = &pa_cpu_timer;
	if (strcmp(wanted, "perf") != 0)
		return 0;
	err = pa_cpu_perf.open();
	if (err)
		pa_warn("PPROF_CPU_ENGINE=perf: perf_event_open is refused (%s); using the timer "
			"engine",
			pa_errno_text(err));
	else
		engine = &pa_cpu_perf;
	return 0;
}

static struct pa_profile *profile_new(uint64_t period_ns)
{
	struct pa_profile *p = pa_profile_new("profile");

	if (!p)
		return NULL;
	p->types[0] = (struct pa_value_type){"samples", "count"};
	p->types[1] = (struct pa_value_type){"cpu", "nanoseconds"};
	p->type_count = 2;
	p->period_type = p->types[1];
	p->period = (int64_t)period_ns;
	p->time_ns = pa_clock_real();
	return p;
}

/* Counters that the profile's comments report the growth of. */
struct before {
	uint64_t lost, truncated, broken;
};

static struct before counters_now(void)
{
	return (struct before){
		.lost = pa_self_get(PA_SELF_cpu_samples_lost),
		.truncated = pa_self_get(PA_SELF_cpu_stacks_truncated),
		.broken = pa_self_get(PA_SELF_cpu_stacks_broken),
	};
}

static void comment(const struct pa_cpu_build *b, const struct before *before)
{
	struct before now = counters_now();

	pa_profile_comment(b->profile, "cpu engine %s, %u Hz", engine->name, b->hz);
	if (now.lost > before->lost)
		pa_profile_comment(b->profile, "%llu samples lost: buffers full",
				   (unsigned long long)(now.lost - before->lost));
	if (now.truncated > before->truncated)
		pa_profile_comment(b->profile, "%llu samples with stacks cut at %d frames",
				   (unsigned long long)(now.truncated - before->truncated),
				   PA_STACK_DEPTH);
	if (now.broken > before->broken)
		pa_profile_comment(b->profile, "%llu samples with stacks that end early",
				   (unsigned long long)(now.broken - before->broken));
}

static int run_window(struct pa_window *w, struct pa_cpu_build *b, char *error)
{
	struct before before = counters_now();
	uint64_t begin, end;
	int err = pa_unwind_update();

	if (err)
		pa_debug("unwind tables not complete: %s", pa_errno_text(err));
	err = engine->start(b, error);
	if (err)
		return err;
	begin = pa_clock_mono();
	end = begin + w->duration_ns;
	b->profile->time_ns = pa_clock_real();
	for (uint64_t now = begin; now < end; now = pa_clock_mono()) {
		uint64_t next = now + engine->drain(b);

		if (!pa_window_sleep(w, PA_MIN(next, end)))
			break;
	}
	b->profile->duration_ns = pa_clock_mono() - begin;
	engine->stop(b);
	comment(b, &before);
	return 0;
}

static int collect(struct pa_window *w, struct pa_profile **ret, char *error)
{
	struct pa_cpu_build b = {.hz = w->hz ? w->hz : pa_config()->cpu_rate};
	bool idle = false;
	int err;

	if (!atomic_compare_exchange_strong(&busy, &idle, true))
		return -EBUSY;
	b.period_ns = PA_NS_PER_S / b.hz;
	b.profile = profile_new(b.period_ns);
	err = b.profile ? run_window(w, &b, error) : -ENOMEM;
	atomic_store(&busy, false);
	if (err) {
		pa_profile_free(b.profile);
		return err;
	}
	*ret = b.profile;
	return 0;
}

static void thread_start(struct pa_thread *t)
{
	if (engine->thread_start)
		engine->thread_start(t);
}

static void thread_exit(struct pa_thread *t)
{
	if (engine->thread_exit)
		engine->thread_exit(t);
}

static void thread_sandbox(struct pa_thread *t)
{
	if (engine->thread_sandbox)
		engine->thread_sandbox(t);
}

static void fork_child(void)
{
	atomic_store(&busy, false);
	if (engine->fork_child)
		engine->fork_child();
}

const struct pa_collector pa_collector_cpu = {
	.name = "profile",
	.summary =
		"CPU profile. You can specify the duration in the seconds GET parameter. After you "
		"get the profile file, use the go tool pprof command to investigate the profile.",
	.start = start,
	.collect = collect,
	.thread_start = thread_start,
	.thread_exit = thread_exit,
	.thread_sandbox = thread_sandbox,
	.fork_child = fork_child,
};
