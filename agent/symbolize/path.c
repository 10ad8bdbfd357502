/* SPDX-License-Identifier: Apache-2.0
 * Joining paths. */
#include "agent/symbolize/path.h"

#include <stdbool.h>
#include <string.h>

struct out {
	char *buf;
	size_t size, len;
	size_t fixed; /* up to here ".." takes nothing away: "/", "../.." */
	bool full;
};

static void put(struct out *o, const char *text, size_t len)
{
	if (o->size - o->len <= len) {
		o->full = true;
		return;
	}
	memcpy(o->buf + o->len, text, len);
	o->len += len;
}

static void put_component(struct out *o, const char *text, size_t len)
{
	if (o->len && o->buf[o->len - 1] != '/')
		put(o, "/", 1);
	put(o, text, len);
}

static void go_up(struct out *o)
{
	if (o->len == o->fixed) {
		if (o->fixed == 1 && o->buf[0] == '/')
			return;
		put_component(o, "..", 2);
		o->fixed = o->len;
		return;
	}
	while (o->len > o->fixed && o->buf[o->len - 1] != '/')
		o->len--;
	if (o->len > o->fixed)
		o->len--;
}

static void put_part(struct out *o, const char *part)
{
	/* Others may be of any length, and are not worth a look at all of it. */
	if (strnlen(part, o->size) == o->size) {
		o->full = true;
		return;
	}
	if (part[0] == '/') {
		o->len = 0;
		put(o, "/", 1);
		o->fixed = o->len;
	}
	for (const char *p = part; *p && !o->full;) {
		size_t len = strcspn(p, "/");

		if (len == 2 && p[0] == '.' && p[1] == '.')
			go_up(o);
		else if (len > 1 || (len == 1 && p[0] != '.'))
			put_component(o, p, len);
		p += len;
		p += strspn(p, "/");
	}
}

size_t pa_dbg_path_join(const char *comp_dir, const char *dir, const char *name, char *buf,
			size_t size)
{
	const char *parts[] = {comp_dir, dir, name};
	struct out o = {.buf = buf, .size = size};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i])
			put_part(&o, parts[i]);
	}
	if (o.full)
		o.len = 0;
	buf[o.len] = '\0';
	return o.len;
}
