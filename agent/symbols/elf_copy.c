/* SPDX-License-Identifier: Apache-2.0
 * Copies of parts of ELF files and images. */
#include <errno.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/symbols/elf_copy.h"

/* Parts that are nearer to each other are one: section headers are read one by one. */
#define GAP 256

struct pa_elf_copy {
	size_t bytes; /* of the pages it lies in */
	uint64_t base, size;
	size_t count;
	struct part {
		uint64_t pos, len;
		const char *data;
	} parts[];
};

static bool add(struct pa_elf_parts *r, uint64_t pos, uint64_t end)
{
	size_t first = 0, last, known = 0;

	while (first < r->count && r->at[first].end + GAP < pos)
		first++;
	for (last = first; last < r->count && r->at[last].pos <= end + GAP; last++) {
		pos = PA_MIN(pos, r->at[last].pos);
		end = PA_MAX(end, r->at[last].end);
		known += r->at[last].end - r->at[last].pos;
	}
	if (end - pos > r->max || r->bytes - known + (end - pos) > r->max ||
	    r->count - (last - first) == PA_ELF_COPY_PARTS)
		return false;
	memmove(&r->at[first + 1], &r->at[last], (r->count - last) * sizeof(*r->at));
	r->at[first].pos = pos;
	r->at[first].end = end;
	r->count = r->count - (last - first) + 1;
	r->bytes = r->bytes - known + (end - pos);
	return true;
}

void pa_elf_parts_add(struct pa_elf_parts *r, uint64_t pos, uint64_t len)
{
	if (r->failed || !len || pos >= r->from->size || pos > UINT64_MAX / 2)
		return;
	if (!add(r, pos, pos + PA_MIN(len, PA_MIN(r->from->size - pos, UINT64_MAX / 4))))
		r->failed = -EFBIG;
}

static ssize_t read_recording(const struct pa_elf_source *s, uint64_t pos, void *buf, size_t len)
{
	/* The one place that takes the const away: struct pa_elf_source is made for readers. */
	struct pa_elf_parts *r = (struct pa_elf_parts *)(uintptr_t)s->data;

	pa_elf_parts_add(r, pos, len);
	return r->failed ? r->failed : r->from->read(r->from, pos, buf, len);
}

struct pa_elf_source pa_elf_parts_source(struct pa_elf_parts *r)
{
	struct pa_elf_source s = *r->from;

	s.read = read_recording;
	s.data = r;
	return s;
}

int pa_elf_copy_new(const struct pa_elf_parts *r, struct pa_elf_copy **ret)
{
	const size_t head = sizeof(struct pa_elf_copy) + r->count * sizeof(struct part);
	const size_t bytes = head + r->bytes;
	struct pa_elf_copy *c;
	char *data;

	if (r->failed)
		return r->failed;
	c = pa_pages_alloc(bytes);
	if (!c)
		return -ENOMEM;
	c->bytes = bytes;
	c->base = r->from->base;
	c->size = r->from->size;
	data = (char *)c + head;
	for (size_t i = 0; i < r->count; i++) {
		const uint64_t len = r->at[i].end - r->at[i].pos;
		int err = pa_elf_read(r->from, r->at[i].pos, data, len);

		if (err) {
			pa_elf_copy_free(c);
			return err;
		}
		c->parts[c->count++] = (struct part){r->at[i].pos, len, data};
		data += len;
	}
	*ret = c;
	return 0;
}

void pa_elf_copy_free(struct pa_elf_copy *c)
{
	if (c)
		pa_pages_free(c, c->bytes);
}

size_t pa_elf_copy_bytes(const struct pa_elf_copy *c)
{
	return c->bytes;
}

static ssize_t read_copy(const struct pa_elf_source *s, uint64_t pos, void *buf, size_t len)
{
	const struct pa_elf_copy *c = s->data;

	for (size_t i = 0; i < c->count; i++) {
		const struct part *p = &c->parts[i];

		if (pos - p->pos < p->len) {
			len = PA_MIN(len, p->len - (pos - p->pos));
			memcpy(buf, p->data + (pos - p->pos), len);
			return (ssize_t)len;
		}
	}
	return -EIO;
}

struct pa_elf_source pa_elf_copy_source(const struct pa_elf_copy *c)
{
	return (struct pa_elf_source){
		.read = read_copy, .base = c->base, .size = c->size, .data = c, .fd = -1};
}
