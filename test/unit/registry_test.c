/* SPDX-License-Identifier: Apache-2.0
 * The registry, the self counters and waiting for a window's end. */
#include "test/tap.h"

#include <errno.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/core/collector.h"
#include "agent/core/exporter.h"
#include "agent/core/registry.h"
#include "agent/core/self.h"
#include "agent/core/window.h"

static int starts, thread_starts, thread_exits, forks;

static int start_good(void)
{
	starts++;
	return 0;
}

static int start_bad(void)
{
	starts++;
	return -ENODEV;
}

static void on_start(struct pa_thread *t PA_UNUSED)
{
	thread_starts++;
}

static void on_exit_of(struct pa_thread *t PA_UNUSED)
{
	thread_exits++;
}

static void on_fork(void)
{
	forks++;
}

static const struct pa_collector good = {.name = "good",
					 .start = start_good,
					 .thread_start = on_start,
					 .thread_exit = on_exit_of,
					 .fork_child = on_fork};
static const struct pa_collector bad = {.name = "bad",
					.start = start_bad,
					.thread_start = on_start,
					.thread_exit = on_exit_of,
					.fork_child = on_fork};
static const struct pa_collector plain = {.name = "plain"};
static const struct pa_collector *const collectors[] = {&good, &bad, &plain};
static const struct pa_exporter exporter = {.name = "e"};
static const struct pa_exporter *const exporters[] = {&exporter};

static void check_registry(void)
{
	ok(!pa_registry_collector(0) && !pa_registry_exporter(0), "empty at first");
	pa_registry_thread_start(NULL);
	pa_registry_init(collectors, 3, exporters, 1);
	ok(pa_registry_collector(0) == &good && pa_registry_collector(2) == &plain, "table order");
	ok(!pa_registry_collector(3) && !pa_registry_exporter(1), "NULL behind the last");
	ok(pa_registry_exporter(0) == &exporter, "exporters");
	ok(pa_registry_find("bad", 3) == &bad, "found before it has failed");
	pa_log_setup(PA_LOG_OFF, NULL);
	pa_registry_start();
	is_int(starts, 2, "those with a start are started");
	ok(!pa_registry_find("bad", 3), "who failed is not found");
	ok(pa_registry_collector(1) == &bad, "... but stays in the table");
	ok(pa_registry_find("good", 4) == &good && pa_registry_find("plain", 5) == &plain,
	   "others");
	ok(!pa_registry_find("goo", 3) && !pa_registry_find("goodx", 5) && !pa_registry_find("", 0),
	   "other names");
	ok(pa_registry_find("good/x", 4) == &good, "the length counts");
	pa_registry_thread_start(NULL);
	pa_registry_thread_exit(NULL);
	is_int(thread_starts, 1, "a new thread is told to those that work");
	is_int(thread_exits, 1, "... and its end");
	pa_registry_fork_child();
	is_int(forks, 2, "a fork is told to all");
}

static void check_self(void)
{
	unsigned n = 0;

	while (pa_self_name(n) && pa_self_text(n) && *pa_self_text(n))
		n++;
	is_int(n, PA_SELF_COUNT, "each counter has a name and a text");
	is_str(pa_self_name(PA_SELF_cpu_samples_lost), "cpu_samples_lost", "... its own");
	pa_self_add(PA_SELF_forks, 2);
	pa_self_add(PA_SELF_forks, 3);
	is_int(pa_self_get(PA_SELF_forks), 5, "counts");
}

static bool after_some(void *calls)
{
	return --*(int *)calls < 0;
}

static void check_window(void)
{
	int calls = 3;
	struct pa_window w = {.cancelled = NULL};
	uint64_t start = pa_clock_mono(), took;

	ok(pa_window_sleep(&w, start), "a time that is past");
	ok(pa_window_sleep(&w, start + 30 * PA_NS_PER_MS), "sleeps to the end");
	ok(pa_clock_mono() - start >= 30 * PA_NS_PER_MS, "... not shorter");
	w.cancelled = after_some;
	w.arg = &calls;
	start = pa_clock_mono();
	ok(!pa_window_sleep(&w, start + 60 * PA_NS_PER_S), "cancelled");
	took = pa_clock_mono() - start;
	ok(took >= 3 * 15 * PA_NS_PER_MS && took < 5 * PA_NS_PER_S, "... at the fourth look");
	calls = 0;
	ok(!pa_window_sleep(&w, start), "cancelled counts more than over");
}

int main(void)
{
	check_registry();
	check_self();
	check_window();
	return tap_done();
}
