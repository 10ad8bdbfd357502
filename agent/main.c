/* SPDX-License-Identifier: Apache-2.0
 * The composition root: what happens when the library is loaded, and in forked children. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/lock.h"
#include "agent/base/log.h"
#include "agent/base/modules.h"
#include "agent/core/collector.h"
#include "agent/core/config.h"
#include "agent/core/exporter.h"
#include "agent/core/registry.h"
#include "agent/core/self.h"
#include "agent/host/fork.h"
#include "agent/host/real.h"
#include "agent/host/thread.h"
#include "agent/http/server.h"
#include "agent/symbols/kept.h"
#include "agent/symbols/symbolizer.h"
#include "agent/symbols/symbols.h"
#include "agent/unwind/unwind.h"

#define PA_COLLECTOR(n) extern const struct pa_collector pa_collector_##n;
#include "collectors/table.def"
#undef PA_COLLECTOR
#define PA_EXPORTER(n) extern const struct pa_exporter pa_exporter_##n;
#include "exporters/table.def"
#undef PA_EXPORTER

static const struct pa_collector *const collectors[] = {
#define PA_COLLECTOR(n) &pa_collector_##n,
#include "collectors/table.def"
#undef PA_COLLECTOR
};

static const struct pa_exporter *const exporters[] = {
#define PA_EXPORTER(n) &pa_exporter_##n,
#include "exporters/table.def"
#undef PA_EXPORTER
};

/* How long a process lives before the agent does anything: most short-lived programs, and
 * children that are about to exec, never get there. */
#define START_DELAY_NS (10 * PA_NS_PER_MS)
#define FORK_DELAY_NS  (200 * PA_NS_PER_MS)

static _Atomic uint32_t constructed;

static void each_round(void)
{
	pa_threads_check_end();
	pa_symbolizer_round();
}

static void agent_thread(void *delay_ns)
{
	static _Atomic uint32_t never;
	uint64_t until = pa_clock_mono() + (uint64_t)(uintptr_t)delay_ns;

	while (!atomic_load(&constructed))
		pa_futex_wait(&constructed, 0, PA_NS_PER_S);
	for (uint64_t now = pa_clock_mono(); now < until; now = pa_clock_mono())
		pa_futex_wait(&never, 0, until - now);
	if (pa_unwind_engine_set(pa_config()->unwinder))
		pa_warn("PPROF_UNWINDER=%s: libunwind is not installed; using table",
			pa_config()->unwinder);
	pa_registry_start();
	pa_http_server_each_round(each_round);
	pa_http_server_run(pa_thread_spawn_agent);
	pa_symbolizer_end();
}

static void agent_start(uint64_t delay_ns)
{
	int err = pa_thread_spawn_agent("profagent", agent_thread, (void *)(uintptr_t)delay_ns);

	if (err)
		pa_warn("no thread for the agent: %s", pa_errno_text(err));
	else
		pa_thread_part_from_agent();
}

static void agent_stop(void)
{
	pa_symbolizer_stop();
	pa_http_server_stop();
	pa_warn("the program puts all its threads into a sandbox: no profiles from now on");
}

static void fork_forget(void)
{
	pa_threads_fork_child();
	pa_registry_fork_child();
	pa_unwind_fork_child();
	pa_symbols_fork_child();
	pa_http_server_fork_child();
	pa_self_add(PA_SELF_forks, 1);
}

static void fork_begin(void)
{
	agent_start(FORK_DELAY_NS);
}

/* Name of the file that is executed: for a script, the interpreter's. */
static const char *program_name(char *buf, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", buf, size - 1);
	char *slash;

	if (len <= 0)
		return program_invocation_short_name;
	buf[len] = '\0';
	slash = strrchr(buf, '/');
	return slash ? slash + 1 : buf;
}

static int agent_init(char **env)
{
	static const struct pa_thread_events thread_events = {
		.start = pa_registry_thread_start,
		.exit = pa_registry_thread_exit,
		.sandbox = pa_registry_thread_sandbox,
		.stop = agent_stop,
	};
	static const struct pa_fork_events fork_events = {
		.forget = fork_forget,
		.begin = fork_begin,
	};
	char name[PATH_MAX];
	int err;

	if (pa_real_thread_sanitizer()) {
		pa_warn("not started: the program is built with ThreadSanitizer");
		return 0;
	}
	pa_config_load(env, program_name(name, sizeof(name)));
	if (!pa_config()->enabled || !pa_config_wants_program(program_name(name, sizeof(name))))
		return 0;
	pa_log_setup((enum pa_log_level)pa_config()->log_level,
		     pa_config()->log_file[0] ? pa_config()->log_file : NULL);
	pa_mem_limit_set(pa_config()->memory_limit);
	pa_unwind_init(pa_real._dl_find_object);
	pa_symbolizer_init();
	pa_modules_set_keeper(&pa_kept_keeper);
	pa_registry_init(collectors, PA_ARRAY_LEN(collectors), exporters, PA_ARRAY_LEN(exporters));
	err = pa_threads_init(&thread_events);
	if (err)
		return err;
	err = pa_fork_init(&fork_events);
	if (err)
		return err;
	agent_start(START_DELAY_NS);
	return 0;
}

/* glibc passes what main gets. DT_INITFIRST puts us before libc's own constructor, which sets
 * environ and program_invocation_name. */
__attribute__((constructor)) static void agent_load(int argc PA_UNUSED, char **argv PA_UNUSED,
						    char **env)
{
	int saved = errno, err;

	pa_real_init();
	/* In a setuid program the environment is not to be trusted; ld.so drops most preloads
	 * there itself. */
	err = getauxval(AT_SECURE) ? 0 : agent_init(env);
	if (err)
		pa_warn("not started: %s", pa_errno_text(err));
	atomic_store(&constructed, 1);
	pa_futex_wake(&constructed, 1);
	errno = saved;
}

/* Version of the agent, "0.1.0". */
PA_EXPORT const char *profagent_version(void);

const char *profagent_version(void)
{
	return PA_VERSION;
}
