/* SPDX-License-Identifier: Apache-2.0
 * Waiting for the end of a window. */
#include "agent/core/window.h"

#include <stddef.h>

#include "agent/base/clock.h"
#include "agent/base/lock.h"

#define LOOK_NS (20 * PA_NS_PER_MS)

static bool is_cancelled(const struct pa_window *w)
{
	return w->cancelled && w->cancelled(w->arg);
}

bool pa_window_sleep(struct pa_window *w, uint64_t until_ns)
{
	_Atomic uint32_t nobody_wakes = 0;
	uint64_t now;

	while (!is_cancelled(w)) {
		now = pa_clock_mono();
		if (now >= until_ns)
			return true;
		pa_futex_wait(&nobody_wakes, 0, PA_MIN(until_ns - now, LOOK_NS));
	}
	return false;
}
