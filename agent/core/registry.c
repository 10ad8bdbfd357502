/* SPDX-License-Identifier: Apache-2.0
 * Which collectors and exporters there are and which of them work. */
#include "agent/core/registry.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/core/collector.h"
#include "agent/core/exporter.h"

#define COLLECTORS_MAX 64 /* bits of `failed` */

static struct {
	const struct pa_collector *const *collectors;
	const struct pa_exporter *const *exporters;
	size_t collector_count, exporter_count;
	_Atomic uint64_t failed; /* bit i: collector i did not start */
} registry;

void pa_registry_init(const struct pa_collector *const *collectors, size_t collector_count,
		      const struct pa_exporter *const *exporters, size_t exporter_count)
{
	registry.collectors = collectors;
	registry.collector_count = PA_MIN(collector_count, COLLECTORS_MAX);
	registry.exporters = exporters;
	registry.exporter_count = exporter_count;
	atomic_store_explicit(&registry.failed, 0, memory_order_relaxed);
}

static bool works(size_t i)
{
	uint64_t failed = atomic_load_explicit(&registry.failed, memory_order_acquire);

	return !(failed >> i & 1);
}

void pa_registry_start(void)
{
	for (size_t i = 0; i < registry.collector_count; i++) {
		const struct pa_collector *c = registry.collectors[i];
		int err = c->start ? c->start() : 0;

		if (err >= 0)
			continue;
		pa_warn("the %s profile is not available: %s", c->name, pa_errno_text(err));
		atomic_fetch_or_explicit(&registry.failed, 1ull << i, memory_order_release);
	}
}

const struct pa_collector *pa_registry_collector(size_t i)
{
	return i < registry.collector_count ? registry.collectors[i] : NULL;
}

const struct pa_exporter *pa_registry_exporter(size_t i)
{
	return i < registry.exporter_count ? registry.exporters[i] : NULL;
}

const struct pa_collector *pa_registry_find(const char *name, size_t len)
{
	for (size_t i = 0; i < registry.collector_count; i++) {
		const struct pa_collector *c = registry.collectors[i];

		if (strlen(c->name) == len && !memcmp(c->name, name, len))
			return works(i) ? c : NULL;
	}
	return NULL;
}

void pa_registry_thread_start(struct pa_thread *t)
{
	for (size_t i = 0; i < registry.collector_count; i++)
		if (registry.collectors[i]->thread_start && works(i))
			registry.collectors[i]->thread_start(t);
}

void pa_registry_thread_exit(struct pa_thread *t)
{
	for (size_t i = 0; i < registry.collector_count; i++)
		if (registry.collectors[i]->thread_exit && works(i))
			registry.collectors[i]->thread_exit(t);
}

void pa_registry_thread_sandbox(struct pa_thread *t)
{
	for (size_t i = 0; i < registry.collector_count; i++)
		if (registry.collectors[i]->thread_sandbox && works(i))
			registry.collectors[i]->thread_sandbox(t);
}

void pa_registry_fork_child(void)
{
	for (size_t i = 0; i < registry.collector_count; i++)
		if (registry.collectors[i]->fork_child)
			registry.collectors[i]->fork_child();
}
