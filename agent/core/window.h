/* SPDX-License-Identifier: Apache-2.0
 * The time a request asks for (?seconds=N) and its end: over, client gone, or agent stopping. */
#ifndef PA_CORE_WINDOW_H
#define PA_CORE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

struct pa_window {
	uint64_t duration_ns; /* asked for; 0: a snapshot of now */
	uint32_t hz;          /* sampling rate asked for; 0: the configured one */

	/* Whether the one who asked is still there; polled by pa_window_sleep. NULL: always. */
	bool (*cancelled)(void *arg);
	void *arg;
};

/* Sleeps until `until_ns` (CLOCK_MONOTONIC) or cancellation, which is noticed within 20 ms.
 * False when cancelled. Agent thread only. */
bool pa_window_sleep(struct pa_window *w, uint64_t until_ns);

#endif
