/* SPDX-License-Identifier: Apache-2.0
 * A source of profiles. A collector is one file in collectors/ that ends in one `const`
 * descriptor, and one row in collectors/table.def. */
#ifndef PA_CORE_COLLECTOR_H
#define PA_CORE_COLLECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/core/window.h"

struct pa_profile;
struct pa_thread;

#define PA_COLLECT_ERROR_MAX 256

struct pa_collector {
	const char *name;    /* URL leaf: "profile", "heap" */
	const char *summary; /* one sentence for the index page and the manual */

	/* Agent thread, once, before the first request. 0 or -errno (logged, collector off).
	 * NULL: nothing to do. */
	int (*start)(void);

	/* Agent thread: takes the profile of a window, blocking until it is over or cancelled.
	 * 0 with *ret owned by the caller; -EBUSY when it is running already; else -errno. A text
	 * for the client goes to error[PA_COLLECT_ERROR_MAX]. */
	int (*collect)(struct pa_window *w, struct pa_profile **ret, char *error);

	/* Number for the index page's Count column. NULL: 0. Any thread. */
	uint64_t (*count)(void);

	/* On the thread itself, in the host's context: no lock, no allocation, no errno. NULL: none. */
	void (*thread_start)(struct pa_thread *t);
	void (*thread_exit)(struct pa_thread *t);

	/* It enters a seccomp sandbox (t->sandboxed): nothing may be done in it any more, it gets
	 * no thread_exit. On any thread, as above. NULL: none. */
	void (*thread_sandbox)(struct pa_thread *t);

	/* In a forked child, single-threaded, before the host goes on. NULL: none. */
	void (*fork_child)(void);
};

#endif
