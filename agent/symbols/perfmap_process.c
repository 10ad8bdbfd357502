/* SPDX-License-Identifier: Apache-2.0
 * The perf maps of this process: its own, and those of the parents whose compiled code it has
 * inherited by fork. Ranges are kept between requests, files are open during one only. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/lock.h"
#include "agent/base/log.h"
#include "agent/symbols/perfmap.h"

/* The process' own first. */
static struct {
	struct pa_lock lock;
	struct pa_perfmap map[PA_PERFMAP_CHAIN];
	size_t count;
} maps;

/* Caller holds maps.lock, or is alone. */
static void add_own(pid_t pid)
{
	if (maps.count == PA_PERFMAP_CHAIN)
		pa_perfmap_done(&maps.map[--maps.count]);
	memmove(&maps.map[1], &maps.map[0], maps.count * sizeof(*maps.map));
	maps.map[0] = (struct pa_perfmap){.pid = pid};
	maps.count++;
}

/* The parent's map as it is now: all that the child's memory has code of. */
static void inherit(struct pa_perfmap *m)
{
	char path[PA_PERFMAP_PATH];
	struct stat st;

	if (m->inherited)
		return;
	pa_perfmap_path(m->pid, path);
	if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		st = (struct stat){0};
	if (m->inode != st.st_ino || m->dev != st.st_dev || m->pos > (uint64_t)st.st_size) {
		pa_perfmap_ranges_done(&m->ranges); /* of a file that was there before */
		m->pos = 0;
		m->passing = false;
	}
	m->inherited = true;
	m->dev = st.st_dev;
	m->inode = st.st_ino;
	m->limit = (uint64_t)st.st_size;
}

/* Caller holds maps.lock, or is alone. A parent without a map is not worth a place. */
static void become_child(pid_t pid)
{
	if (!maps.count)
		add_own(getppid());
	inherit(&maps.map[0]);
	if (!maps.map[0].inode) {
		pa_perfmap_done(&maps.map[0]);
		maps.count--;
		memmove(&maps.map[0], &maps.map[1], maps.count * sizeof(*maps.map));
	}
	add_own(pid);
}

void pa_perfmap_fork_child(void)
{
	/* Held at the fork: the ranges may be half changed, and are left behind. */
	if (atomic_load_explicit(&maps.lock.state, memory_order_relaxed)) {
		for (size_t i = 0; i < maps.count; i++) {
			struct pa_perfmap *m = &maps.map[i];

			m->ranges = (struct pa_perfmap_ranges){0};
			m->pos = 0;
			m->passing = false;
		}
	}
	maps.lock = (struct pa_lock){0};
	become_child(getpid());
}

/* Caller holds maps.lock. Opens the map and reads what is new in it. */
static int open_map(struct pa_perfmap *m)
{
	char path[PA_PERFMAP_PATH];
	int fd, r;

	pa_perfmap_path(m->pid, path);
	fd = pa_perfmap_open(path);
	if (fd < 0) {
		if (fd != -ENOENT)
			pa_debug("%s: %s", path, pa_errno_text(fd));
		return -1;
	}
	r = pa_perfmap_refresh(m, fd);
	if (r < 0) {
		pa_debug("%s: %s", path, pa_errno_text(r));
		if (!m->ranges.count || r == -ESTALE) {
			close(fd);
			return -1;
		}
	}
	return fd;
}

/* Caller holds maps.lock. */
static void open_all(struct pa_perfmap_view *v)
{
	if (!maps.count)
		add_own(getpid());
	else if (maps.map[0].pid != getpid()) /* by a clone(2) that libc knows nothing about */
		become_child(getpid());
	v->count = maps.count;
	for (size_t i = 0; i < v->count; i++) {
		v->file[i].fd = open_map(&maps.map[i]);
		v->file[i].version = maps.map[i].version;
	}
	v->opened = true;
}

/* Caller holds maps.lock. The newest map that has something to say about an address. */
static const struct pa_perfmap_range *find_range(const struct pa_perfmap_view *v, uint64_t addr,
						 size_t *ret_map)
{
	for (size_t i = 0; i < v->count; i++) {
		const struct pa_perfmap_range *range;

		/* A request that ran meanwhile may have found another file there. */
		if (v->file[i].fd < 0 || v->file[i].version != maps.map[i].version)
			continue;
		range = pa_perfmap_ranges_find(&maps.map[i].ranges, addr);
		if (range) {
			*ret_map = i;
			return range;
		}
	}
	return NULL;
}

static const struct pa_perfmap_name *make_name(struct pa_perfmap_view *v, size_t map,
					       const struct pa_perfmap_range *range, pid_t pid)
{
	char text[PA_PERFMAP_TEXT], file[PA_PERFMAP_TEXT];
	struct pa_perfmap_name found, *n;

	if (!pa_perfmap_read_name(v->file[map].fd, range, text, &found))
		return NULL;
	pa_perfmap_source(found.name, file, sizeof(file), &found.line);
	n = pa_arena_alloc(v->arena, sizeof(*n));
	if (!n)
		return NULL;
	*n = found;
	n->pid = pid;
	n->name = pa_arena_strndup(v->arena, found.name, strlen(found.name));
	n->file = file[0] ? pa_arena_strndup(v->arena, file, strlen(file)) : "";
	return n->name && n->file ? n : NULL;
}

const struct pa_perfmap_name *pa_perfmap_find(struct pa_perfmap_view *v, uint64_t addr)
{
	const struct pa_perfmap_name *name = NULL;
	const struct pa_perfmap_range *found;
	struct pa_perfmap_range range;
	uint64_t key, known;
	size_t map;
	pid_t pid;

	pa_lock(&maps.lock);
	if (!v->opened)
		open_all(v);
	found = find_range(v, addr, &map);
	if (found) {
		range = *found;
		pid = maps.map[map].pid;
	}
	pa_unlock(&maps.lock);
	if (!found)
		return NULL;
	key = (uint64_t)map << 32 | range.line;
	if (pa_map64_get(&v->names, key, &known))
		return (const struct pa_perfmap_name *)(uintptr_t)known;
	name = make_name(v, map, &range, pid);
	return pa_map64_put(&v->names, key, (uintptr_t)name) < 0 ? NULL : name;
}

void pa_perfmap_view_done(struct pa_perfmap_view *v)
{
	for (size_t i = 0; i < v->count; i++) {
		if (v->file[i].fd >= 0)
			close(v->file[i].fd);
	}
	pa_map64_done(&v->names);
}
