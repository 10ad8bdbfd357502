/* SPDX-License-Identifier: Apache-2.0
 * /proc/PID/maps. A line: "start-end perms offset major:minor inode      path". */
#include <errno.h>
#include <string.h>

#include "agent/base/file.h"
#include "agent/base/maps.h"
#include "agent/base/parse.h"

/* Above vm.max_map_count's default (65530) times a long line. */
#define MAX_TEXT ((size_t)32 << 20)

static bool scan_byte(const char **s, const char *end, char c)
{
	if (*s == end || **s != c)
		return false;
	++*s;
	return true;
}

/* "r-xp": a flag or a dash each, then p, s or whatever a kernel adds. */
static bool scan_perms(const char **s, const char *end, struct pa_map *m)
{
	const char *p = *s;

	if (end - p < 5 || p[4] != ' ')
		return false;
	if ((p[0] != 'r' && p[0] != '-') || (p[1] != 'w' && p[1] != '-') ||
	    (p[2] != 'x' && p[2] != '-'))
		return false;
	m->read = p[0] == 'r';
	m->write = p[1] == 'w';
	m->exec = p[2] == 'x';
	*s += 5;
	return true;
}

/* Everything before the path; *s is left behind the inode. */
static bool scan_fields(const char **s, const char *end, struct pa_map *m)
{
	uint64_t major, minor;

	if (!pa_scan_u64(s, end, 16, &m->start) || !scan_byte(s, end, '-') ||
	    !pa_scan_u64(s, end, 16, &m->end) || !scan_byte(s, end, ' ') ||
	    !scan_perms(s, end, m) || !pa_scan_u64(s, end, 16, &m->offset) ||
	    !scan_byte(s, end, ' ') || !pa_scan_u64(s, end, 16, &major) ||
	    !scan_byte(s, end, ':') || !pa_scan_u64(s, end, 16, &minor) ||
	    !scan_byte(s, end, ' ') || !pa_scan_u64(s, end, 10, &m->inode))
		return false;
	m->dev = (uint32_t)(major << 20 | (minor & 0xfffff));
	return m->start < m->end && (*s == end || **s == ' ');
}

/* The kernel escapes new lines only, and not the backslash itself (seq_path(m, path, "\n") in
 * fs/proc/task_mmu.c), so that any other backslash is part of the name. */
static void unescape(char *path)
{
	char *from = path, *to = path;

	while (*from) {
		if (!strncmp(from, "\\012", 4)) {
			*to++ = '\n';
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

static int set_path(struct pa_map *m, const char *s, size_t len, struct pa_arena *a)
{
	static const char deleted[] = " (deleted)";
	const size_t deleted_len = sizeof(deleted) - 1;
	char *path;

	m->path = "";
	m->deleted = len > deleted_len && !memcmp(s + len - deleted_len, deleted, deleted_len);
	if (m->deleted)
		len -= deleted_len;
	if (!len)
		return 0;
	path = pa_arena_strndup(a, s, len);
	if (!path)
		return -ENOMEM;
	unescape(path);
	m->path = path;
	return 0;
}

/* A file is mapped in several pieces, one behind the other: they share one string. */
struct last_path {
	const char *text;
	size_t len;
	const struct pa_map *map;
};

static int parse_path(struct pa_map *m, const char *s, const char *end, struct pa_arena *a,
		      struct last_path *last)
{
	size_t len;
	int r;

	while (s < end && *s == ' ')
		s++;
	len = (size_t)(end - s);
	if (last->map && len == last->len && !memcmp(s, last->text, len)) {
		m->path = last->map->path;
		m->deleted = last->map->deleted;
		return 0;
	}
	r = set_path(m, s, len, a);
	if (r == 0)
		*last = (struct last_path){.text = s, .len = len, .map = m};
	return r;
}

static size_t count_lines(const char *text, size_t len)
{
	size_t lines = 1;

	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	return lines;
}

int pa_maps_parse(const char *text, size_t len, struct pa_arena *a, struct pa_map **ret_maps,
		  size_t *ret_count)
{
	const char *s = text, *end = text + len;
	struct last_path last = {0};
	size_t count = 0;
	struct pa_map *maps = pa_arena_alloc(a, count_lines(text, len) * sizeof(*maps));

	if (!maps)
		return -ENOMEM;
	while (s < end) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		const char *line_end = nl ? nl : end;
		struct pa_map m = {0};

		if (scan_fields(&s, line_end, &m)) {
			int r;

			maps[count] = m;
			r = parse_path(&maps[count], s, line_end, a, &last);
			if (r < 0)
				return r;
			count++;
		}
		s = nl ? nl + 1 : end;
	}
	*ret_maps = maps;
	*ret_count = count;
	return 0;
}

int pa_maps_read(struct pa_arena *a, struct pa_map **ret_maps, size_t *ret_count)
{
	char *text;
	size_t cap, len;
	int r;

	/* /proc/self is the main thread, and reads as empty once that has called pthread_exit. */
	r = pa_file_read("/proc/thread-self/maps", MAX_TEXT, &text, &cap, &len);
	if (r == -ENOENT) /* before Linux 3.17 */
		r = pa_file_read("/proc/self/maps", MAX_TEXT, &text, &cap, &len);
	if (r == -ENOENT || r == -EACCES)
		return pa_maps_of_loader(a, ret_maps, ret_count);
	if (r < 0)
		return r;
	r = pa_maps_parse(text, len, a, ret_maps, ret_count);
	pa_pages_free(text, cap);
	return r;
}
