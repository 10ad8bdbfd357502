/* SPDX-License-Identifier: Apache-2.0
 * Shows new objects of the journal to whoever keeps more of them. */
#include <limits.h>
#include <string.h>

#include "agent/base/modules_private.h"

struct pa_modules_keeper pa_modules_keeper;

void pa_modules_set_keeper(const struct pa_modules_keeper *k)
{
	pa_modules_keeper = *k;
}

/* Copies one that the keeper wants, with its path. */
static bool next_wanted(struct pa_modules *j, struct pa_module *ret, char path[PATH_MAX])
{
	for (size_t i = 0; i < j->count; i++) {
		struct pa_module_entry *e = &j->entries[i];
		size_t len;

		if (!e->wanted)
			continue;
		len = strnlen(pa_module_path(j, e), PATH_MAX - 1);
		memcpy(path, pa_module_path(j, e), len);
		path[len] = '\0';
		*ret = e->m;
		ret->path = path;
		e->wanted = false;
		e->m.kept = NULL; /* handed over */
		return true;
	}
	return false;
}

/* Stores what was kept of a module, unless that has been forgotten meanwhile. */
static void store(struct pa_modules *j, uint32_t serial, void *kept)
{
	for (size_t i = 0; i < j->count; i++) {
		struct pa_module *m = &j->entries[i].m;

		/* Another thread may have been asked, about a file deleted meanwhile. */
		if (m->serial == serial && !m->kept) {
			m->kept = kept;
			return;
		}
	}
	if (kept)
		pa_modules_keeper.drop(kept);
}

void pa_modules_keep(void)
{
	struct pa_modules *j = &pa_modules_journal;
	char path[PATH_MAX];
	struct pa_module m;
	void *kept;
	bool more;

	if (!pa_modules_keeper.keep)
		return;
	for (;;) {
		pa_lock(&j->lock);
		more = next_wanted(j, &m, path);
		pa_unlock(&j->lock);
		if (!more)
			return;
		kept = pa_modules_keeper.keep(&m);
		pa_lock(&j->lock);
		store(j, m.serial, kept);
		pa_unlock(&j->lock);
	}
}
