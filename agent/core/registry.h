/* SPDX-License-Identifier: Apache-2.0
 * The collectors and exporters of this build, in table order. Filled once by agent/main.c. */
#ifndef PA_CORE_REGISTRY_H
#define PA_CORE_REGISTRY_H

#include <stddef.h>

#include "agent/base/compiler.h"

struct pa_collector;
struct pa_exporter;
struct pa_thread;

void pa_registry_init(const struct pa_collector *const *collectors, size_t collector_count,
		      const struct pa_exporter *const *exporters, size_t exporter_count);

/* Starts every collector; one that fails is logged and left out. Agent thread only. */
void pa_registry_start(void);

/* NULL behind the last. Any thread. */
const struct pa_collector *pa_registry_collector(size_t i);
const struct pa_exporter *pa_registry_exporter(size_t i);

/* The collector that answers to a name; NULL: unknown or failed to start. Any thread. */
const struct pa_collector *pa_registry_find(const char *name, size_t len);

/* Tell every collector. On the thread itself. */
void pa_registry_thread_start(struct pa_thread *t);
void pa_registry_thread_exit(struct pa_thread *t);
void pa_registry_thread_sandbox(struct pa_thread *t);
void pa_registry_fork_child(void);

#endif
