/* SPDX-License-Identifier: Apache-2.0
 * The search table of .eh_frame_hdr (LSB Core 5.0, 10.6.2), in the one form that GNU ld, gold and
 * lld write: a pair of 32-bit distances for each function, sorted. */
#include <errno.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/symbols/fde.h"

#define HEAD_BYTES  12         /* version, three encodings, .eh_frame's place, number of entries */
#define FDE_BYTES   16         /* length, distance to the CIE, start, size */
#define MAX_ENTRIES (1u << 20) /* 8 MiB; libLLVM has 95000 */
#define VALUE_LIMIT (1 << 30)  /* of pa_fde_entry.value */

_Static_assert(sizeof(struct pa_fde_entry) == 8, "as large as an entry of the file");

/* Number of entries, 0 when there is no table or none that we know. */
static size_t read_head(const struct pa_elf *e, uint64_t pos)
{
	/* Version 1; pcrel|sdata4, udata4, datarel|sdata4 (LSB Core 5.0, 10.5.1). */
	static const uint8_t form[] = {1, 0x1b, 0x03, 0x3b};
	const struct pa_elf_segment *s = &e->eh_frame_hdr;
	const uint64_t size = e->image ? s->memsz : s->filesz;
	uint8_t head[HEAD_BYTES];
	uint32_t count;

	if (size < sizeof(head) || pa_elf_read(&e->src, pos, head, sizeof(head)) < 0 ||
	    memcmp(head, form, sizeof(form)) != 0)
		return 0;
	count = pa_elf_u32(e, head + 8);
	return count <= (size - sizeof(head)) / sizeof(struct pa_fde_entry) && count <= MAX_ENTRIES
		       ? count
		       : 0;
}

/* Brings an entry from the file's form into ours. */
static void convert(const struct pa_elf *e, struct pa_fde_entry *entry)
{
	uint32_t raw[2];
	int32_t place;

	memcpy(raw, entry, sizeof(raw));
	entry->start = (int32_t)pa_elf_u32(e, &raw[0]);
	place = (int32_t)pa_elf_u32(e, &raw[1]);
	entry->sized = place < -VALUE_LIMIT || place >= VALUE_LIMIT;
	entry->value = entry->sized ? 0 : place;
}

/* False when the table cannot be read or is not sorted. */
static bool read_entries(struct pa_fde_table *t, const struct pa_elf *e)
{
	if (pa_elf_read(&e->src, t->pos + HEAD_BYTES, t->entries, pa_fde_bytes(t)) < 0)
		return false;
	for (size_t i = 0; i < t->count; i++) {
		convert(e, &t->entries[i]);
		if (i && t->entries[i].start < t->entries[i - 1].start)
			return false;
	}
	return true;
}

int pa_fde_load(struct pa_fde_table *t, const struct pa_elf *e)
{
	struct pa_fde_table n = {
		.loaded = true,
		.base = e->eh_frame_hdr.vaddr,
		.pos = e->image ? e->eh_frame_hdr.vaddr : e->eh_frame_hdr.offset,
	};

	n.count = read_head(e, n.pos);
	if (n.count) {
		n.entries = pa_pages_alloc(pa_fde_bytes(&n));
		if (!n.entries)
			return -ENOMEM;
	}
	if (n.count && !read_entries(&n, e)) {
		pa_fde_done(&n);
		n.loaded = true;
	}
	*t = n;
	return 0;
}

void pa_fde_done(struct pa_fde_table *t)
{
	pa_pages_free(t->entries, pa_fde_bytes(t));
	*t = (struct pa_fde_table){0};
}

size_t pa_fde_bytes(const struct pa_fde_table *t)
{
	return t->count * sizeof(*t->entries);
}

/* The last entry that starts at or ahead of the distance, NULL when there is none. GNU ld puts the
 * largest of several with one start last. */
static struct pa_fde_entry *search(const struct pa_fde_table *t, int64_t distance)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->entries[mid].start <= distance)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? &t->entries[low - 1] : NULL;
}

/* Reads the function's size from its FDE, which is in the same segment as the table. The encoding
 * is said in the FDE's CIE; instead of reading that as well, the usual one (pcrel|sdata4) is taken
 * for it if it gives the start that the table has. Of an eight-byte start, the upper half would
 * then be the size: 0 or UINT32_MAX. */
static int32_t read_size(const struct pa_fde_table *t, const struct pa_elf *e,
			 const struct pa_elf_source *src, const struct pa_fde_entry *entry)
{
	uint8_t fde[FDE_BYTES];
	uint32_t len, cie, size;
	int64_t start;

	if (pa_elf_read(src, t->pos + (uint64_t)(int64_t)entry->value, fde, sizeof(fde)) < 0)
		return 0;
	len = pa_elf_u32(e, fde);
	cie = pa_elf_u32(e, fde + 4);
	start = entry->value + INT64_C(8) + (int32_t)pa_elf_u32(e, fde + 8);
	size = pa_elf_u32(e, fde + 12);
	if (len < sizeof(fde) - sizeof(len) || len == UINT32_MAX || !cie || start != entry->start ||
	    size >= VALUE_LIMIT)
		return 0;
	return (int32_t)size;
}

/* Whether both addresses are in one executable segment. */
static bool same_code(const struct pa_elf *e, uint64_t a, uint64_t b)
{
	for (uint32_t i = 0; i < e->load_count; i++) {
		const struct pa_elf_segment *s = &e->loads[i];

		if (s->exec && a - s->vaddr < s->memsz && b - s->vaddr < s->memsz)
			return true;
	}
	return false;
}

int pa_fde_find(struct pa_fde_table *t, const struct pa_elf *e, const struct pa_elf_source *src,
		uint64_t vaddr, uint64_t *ret_start)
{
	struct pa_fde_entry *entry = search(t, (int64_t)(vaddr - t->base));
	uint64_t start;

	if (!entry)
		return -ENOENT;
	start = t->base + (uint64_t)(int64_t)entry->start;
	if (!entry->sized) {
		if (!src)
			return -EAGAIN;
		entry->value = read_size(t, e, src, entry);
		entry->sized = 1;
	}
	if (vaddr - start >= (uint64_t)entry->value || !same_code(e, start, vaddr))
		return -ENOENT;
	*ret_start = start;
	return 0;
}
