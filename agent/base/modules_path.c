/* SPDX-License-Identifier: Apache-2.0
 * Where the journal of objects has its strings: one behind the other, copied together when half of
 * them are in use no more. */
#include <errno.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/modules_private.h"

#define POOL_MIN ((size_t)16 << 10) /* there from the start */

const char *pa_module_path(const struct pa_modules *j, const struct pa_module_entry *e)
{
	return j->pool + e->path;
}

/* Copies the paths that are in use into a new pool. Without memory the old one stays. */
static void pool_compact(struct pa_modules *j)
{
	size_t cap = 0, len = 0;
	void *pool = NULL;

	if (pa_pages_grow(&pool, &cap, PA_MAX(j->pool_len - j->pool_unused, POOL_MIN)))
		return;
	for (size_t i = 0; i < j->count; i++) {
		struct pa_module_entry *e = &j->entries[i];
		const size_t bytes = strlen(pa_module_path(j, e)) + 1;

		memcpy((char *)pool + len, pa_module_path(j, e), bytes);
		e->path = len;
		len += bytes;
	}
	pa_pages_free(j->pool, j->pool_cap);
	j->pool = pool;
	j->pool_cap = cap;
	j->pool_len = len;
	j->pool_unused = 0;
}

void pa_module_path_forget(struct pa_modules *j, const struct pa_module_entry *e)
{
	j->pool_unused += strlen(pa_module_path(j, e)) + 1;
}

int pa_module_path_store(struct pa_modules *j, const char *path, size_t *ret)
{
	const size_t bytes = strlen(path) + 1;
	void *pool = j->pool;

	if (j->pool_unused > POOL_MIN / 2 && j->pool_unused > j->pool_len / 2) {
		pool_compact(j);
		pool = j->pool;
	}
	if (pa_pages_grow(&pool, &j->pool_cap, PA_MAX(j->pool_len + bytes, POOL_MIN)))
		return -ENOMEM;
	j->pool = pool;
	memcpy(j->pool + j->pool_len, path, bytes);
	*ret = j->pool_len;
	j->pool_len += bytes;
	return 0;
}
