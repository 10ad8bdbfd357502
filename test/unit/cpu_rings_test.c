/* SPDX-License-Identifier: Apache-2.0
 * The sample buffers of the timer engine when a handler does not come to its end with the window:
 * they stay where it writes, are used again, and go when it is through. */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/core/collector.h"
#include "agent/core/config.h"
#include "agent/host/real.h"
#include "collectors/cpu.h"
#include "collectors/cpu_timer.h"
#include "test/tap.h"

static char error[PA_COLLECT_ERROR_MAX];

static struct pa_cpu_build window(void)
{
	return (struct pa_cpu_build){
		.profile = pa_profile_new("profile"), .period_ns = 10000000, .hz = 100};
}

int main(void)
{
	struct pa_ring *ring = &pa_cpu_session.rings[0];
	struct pa_cpu_record *record;
	struct pa_cpu_build b;
	uint32_t bytes;
	uint8_t *data;
	size_t used;

	pa_real_init();
	pa_config_load(environ, NULL);

	b = window();
	is_int(pa_cpu_timer.start(&b, error), 0, "a window begins");
	atomic_fetch_add(&pa_cpu_session.handlers, 1);
	record = pa_ring_reserve(ring, sizeof(*record));
	data = ring->data;
	pa_cpu_timer.stop(&b);
	pa_profile_free(b.profile);
	ok(data && ring->data == data, "it ends within a handler: its buffer stays");
	used = pa_mem_used();
	memset(record, 0, sizeof(*record));
	pa_ring_commit(record);

	b = window();
	is_int(pa_cpu_timer.start(&b, error), 0, "the next window begins");
	ok(ring->data == data, "with the same buffers");
	ok(!pa_ring_peek(ring, &bytes), "without what was left in them");
	record = pa_ring_reserve(ring, sizeof(*record));
	ok(record != NULL, "and with room");
	if (record) {
		memset(record, 0, sizeof(*record));
		pa_ring_commit(record);
	}
	atomic_fetch_sub(&pa_cpu_session.handlers, 1);
	pa_cpu_timer.stop(&b);
	pa_profile_free(b.profile);
	ok(!ring->data && pa_mem_used() < used, "they go with the handler");
	return tap_done();
}
