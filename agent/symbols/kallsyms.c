/* SPDX-License-Identifier: Apache-2.0
 * Lines "ffffffff81000000 T _stext" or "ffffffffc0201000 t ext4_sync\t[ext4]", read in blocks: the
 * whole text is 5 to 15 MiB. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/file.h"
#include "agent/base/parse.h"
#include "agent/base/sort.h"
#include "agent/symbols/kallsyms.h"
#include "agent/symbols/name.h"
#include "agent/symbols/symbols.h"

#define BLOCK_BYTES ((size_t)64 << 10)
#define BEHIND_LAST (64u << 10) /* how far the last function may reach */
#define AROUND      0x80000000u /* kernel and modules lie within 2 GiB of each other */

static int add_entry(struct pa_kallsyms *k, uint32_t start, uint32_t name)
{
	void *entries = k->entries;
	int r = pa_pages_grow(&entries, &k->entries_cap, (k->count + 1) * sizeof(*k->entries));

	if (r < 0)
		return r;
	k->entries = entries;
	k->entries[k->count++] = (struct pa_kallsyms_entry){.start = start, .name = name};
	return 0;
}

static int add_name(struct pa_kallsyms *k, const char *name, size_t len, uint32_t *ret)
{
	void *names = k->names;
	size_t at = k->names_len ? k->names_len : 1; /* offset 0 means "no name" */
	int r = pa_pages_grow(&names, &k->names_cap, at + len + 1);

	if (r < 0)
		return r;
	k->names = names;
	memcpy(k->names + at, name, len);
	k->names[at + len] = '\0';
	k->names_len = at + len + 1;
	*ret = (uint32_t)at;
	return 0;
}

static bool is_text(char type)
{
	return type == 't' || type == 'T' || type == 'w' || type == 'W';
}

static int add_line(struct pa_kallsyms *k, const char *s, const char *end)
{
	const char *name;
	uint64_t addr;
	uint32_t at = 0;
	bool text;
	int r;

	if (!pa_scan_u64(&s, end, 16, &addr) || !pa_symbols_is_kernel(addr) || end - s < 4)
		return 0;
	text = is_text(s[1]);
	name = s + 3;
	if (!k->count) {
		if (!text)
			return 0;
		k->base = addr - AROUND;
	}
	if (addr - k->base > UINT32_MAX || (!text && !k->entries[k->count - 1].name))
		return 0;
	for (s = name; s < end && *s != '\t' && *s != ' ';)
		s++;
	if (text) {
		r = add_name(k, name, (size_t)(s - name), &at);
		if (r < 0)
			return r;
	}
	return add_entry(k, (uint32_t)(addr - k->base), at);
}

/* Adds the complete lines of a block; the bytes used. */
static ssize_t add_lines(struct pa_kallsyms *k, const char *block, size_t len)
{
	const char *s = block, *end = block + len, *nl;

	while (s < end && (nl = memchr(s, '\n', (size_t)(end - s)))) {
		int r = add_line(k, s, nl);

		if (r < 0)
			return r;
		s = nl + 1;
	}
	return s - block;
}

static int read_lines(struct pa_kallsyms *k, int fd, char *block)
{
	size_t have = 0;

	for (;;) {
		ssize_t n = read(fd, block + have, BLOCK_BYTES - have);
		ssize_t used;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		have += (size_t)n;
		used = add_lines(k, block, have);
		if (used < 0)
			return (int)used;
		if (!used && have == BLOCK_BYTES)
			return -EINVAL; /* a line of 64 KiB */
		have -= (size_t)used;
		memmove(block, block + used, have);
	}
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct pa_kallsyms_entry *x = a, *y = b;

	(void)arg;
	return (x->start > y->start) - (x->start < y->start);
}

int pa_kallsyms_load(struct pa_kallsyms *k, const char *path)
{
	struct pa_kallsyms loaded = {0};
	char *block;
	int fd, r;

	fd = pa_fd_high(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
	if (fd < 0)
		return -errno;
	block = pa_pages_alloc(BLOCK_BYTES);
	r = block ? read_lines(&loaded, fd, block) : -ENOMEM;
	pa_pages_free(block, BLOCK_BYTES);
	close(fd);
	if (r == 0 && !loaded.count)
		r = -EACCES;
	if (r < 0) {
		pa_kallsyms_done(&loaded);
		return r;
	}
	pa_sort(loaded.entries, loaded.count, sizeof(*loaded.entries), compare, NULL);
	*k = loaded;
	return 0;
}

void pa_kallsyms_done(struct pa_kallsyms *k)
{
	pa_pages_free(k->entries, k->entries_cap);
	pa_pages_free(k->names, k->names_cap);
	*k = (struct pa_kallsyms){0};
}

const char *pa_kallsyms_find(const struct pa_kallsyms *k, uint64_t addr, uint64_t *ret_start)
{
	const uint64_t offset = addr - k->base;
	size_t low = 0, high = k->count;
	const char *best = NULL;
	uint32_t start;

	while (low < high) { /* first entry behind the address */
		size_t mid = low + (high - low) / 2;

		if (k->entries[mid].start <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return NULL;
	start = k->entries[low - 1].start;
	if (low == k->count && offset - start > BEHIND_LAST)
		return NULL;
	for (size_t i = low; i-- > 0 && k->entries[i].start == start;) {
		const char *name = k->entries[i].name ? k->names + k->entries[i].name : NULL;

		if (name && (!best || pa_name_better(name, best)))
			best = name;
	}
	if (best)
		*ret_start = k->base + start;
	return best;
}
