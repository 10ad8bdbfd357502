/* SPDX-License-Identifier: Apache-2.0
 * Finds objects. Their memory belongs to the host, which may unmap it at any moment: it is only
 * ever copied out with pa_peek. */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "agent/base/hash.h"
#include "agent/base/maps.h"
#include "agent/base/peek.h"
#include "agent/unwind/arch.h"
#include "agent/unwind/dwarf_read.h"
#include "agent/unwind/object.h"
#include "agent/unwind/phdrs.h"

/* More is possible, but the others then only cost a system call a walk. */
#define PERMANENT_MAX 256

static uint64_t permanent[PERMANENT_MAX];
static unsigned permanent_count;

void pa_object_init(void)
{
	unsigned n = 0;

	for (const struct link_map *l = _r_debug.r_map; l && n < PERMANENT_MAX; l = l->l_next)
		permanent[n++] = (uint64_t)l;
	permanent_count = n;
}

static bool is_permanent(uint64_t link_map)
{
	for (unsigned i = 0; i < permanent_count; i++)
		if (permanent[i] == link_map)
			return true;
	return false;
}

/* Adds one program header to the layout; bias is not applied yet. */
static bool add_segment(struct pa_object *o, const Elf64_Phdr *ph)
{
	uint64_t lo = ph->p_vaddr & ~(PA_ARCH_PAGE - 1);
	uint64_t hi;

	if (ph->p_type == PT_GNU_EH_FRAME) {
		o->eh_frame_hdr = ph->p_vaddr;
		o->eh_frame_hdr_len = ph->p_memsz;
		return true;
	}
	if (ph->p_type != PT_LOAD || !ph->p_memsz)
		return true;
	if (__builtin_add_overflow(ph->p_vaddr, ph->p_memsz, &hi) || hi > UINT64_MAX - PA_ARCH_PAGE)
		return false;
	hi = (hi + PA_ARCH_PAGE - 1) & ~(PA_ARCH_PAGE - 1);
	o->lo = PA_MIN(o->lo, lo);
	o->hi = PA_MAX(o->hi, hi);
	if (ph->p_flags & PF_X) {
		o->code_lo = PA_MIN(o->code_lo, lo);
		o->code_hi = PA_MAX(o->code_hi, hi);
	}
	return true;
}

/* The address of file offset 0 before loading; false when no segment holds it. */
static bool first_vaddr(const struct pa_phdrs *image, uint64_t *ret)
{
	Elf64_Phdr ph;

	for (unsigned i = 0; pa_phdr_get(image, i, &ph); i++) {
		if (ph.p_type == PT_LOAD && ph.p_offset < PA_ARCH_PAGE) {
			*ret = (ph.p_vaddr - ph.p_offset) & ~(PA_ARCH_PAGE - 1);
			return true;
		}
	}
	return false;
}

int pa_object_layout(const uint8_t *image, size_t len, uint64_t start, struct pa_object *o)
{
	struct pa_object r = {.lo = UINT64_MAX, .code_lo = UINT64_MAX};
	struct pa_phdrs elf;
	uint64_t first;
	Elf64_Phdr ph;

	if (!pa_phdrs_open(&elf, image, len) || !first_vaddr(&elf, &first))
		return -ENOEXEC;
	for (unsigned i = 0; pa_phdr_get(&elf, i, &ph); i++)
		if (!add_segment(&r, &ph))
			return -ENOEXEC;
	if (r.hi <= r.lo || r.code_hi <= r.code_lo || r.hi - r.lo > UINT32_MAX)
		return -ENOEXEC;
	if (r.eh_frame_hdr && (r.eh_frame_hdr < r.lo || r.eh_frame_hdr >= r.hi))
		r.eh_frame_hdr = 0;

	/* Unsigned wrap-around is fine: an ET_EXEC linked above its place has a "negative" bias. */
	r.bias = start - first;
	if (r.lo + r.bias > r.hi + r.bias || r.hi + r.bias > PA_ARCH_CODE_MAX + 1)
		return -ENOEXEC;
	o->bias = r.bias;
	o->lo = r.lo + r.bias;
	o->hi = r.hi + r.bias;
	o->code_lo = r.code_lo + r.bias;
	o->code_hi = r.code_hi + r.bias;
	o->eh_frame_hdr = r.eh_frame_hdr ? r.eh_frame_hdr + r.bias : 0;
	o->eh_frame_hdr_len = r.eh_frame_hdr_len;
	return 0;
}

/* Whether the mapping at o->code_lo is the code of the file mapped by `first`, or anonymous: some
 * programs copy their code onto huge pages. A file that was only mapped to be read is no object. */
static bool code_is_mapped(const struct pa_map *maps, size_t count, const struct pa_map *first,
			   const struct pa_object *o)
{
	for (const struct pa_map *m = first; m < maps + count && m->start <= o->code_lo; m++) {
		if (m->end <= o->code_lo)
			continue;
		return m->exec && (!m->inode || (m->inode == first->inode && m->dev == first->dev));
	}
	return false;
}

ssize_t pa_object_header(uint64_t start, uint64_t phdrs, uint8_t *ret_bytes)
{
	ssize_t len = pa_peek(start, ret_bytes, PA_ARCH_PAGE);
	Elf64_Ehdr eh;
	size_t size;

	if (len < 0 || !phdrs || !pa_ehdr_get(ret_bytes, (size_t)len, &eh))
		return len;
	size = eh.e_phnum * sizeof(Elf64_Phdr);
	if (size > PA_OBJECT_HEADER_MAX - PA_ARCH_PAGE ||
	    pa_peek_all(phdrs, ret_bytes + PA_ARCH_PAGE, size))
		return len;
	memset(ret_bytes + len, 0, PA_ARCH_PAGE - (size_t)len);
	eh.e_phoff = PA_ARCH_PAGE;
	memcpy(ret_bytes, &eh, sizeof(eh));
	return (ssize_t)(PA_ARCH_PAGE + size);
}

/* Where the program headers of the file mapped at maps[i] are, when not in its first page: BOLT
 * writes them into a segment of its own behind all others. 0: nowhere. */
static uint64_t find_phdrs(const struct pa_map *maps, size_t count, size_t i, const uint8_t *page,
			   size_t len)
{
	Elf64_Ehdr eh;

	if (!pa_ehdr_get(page, len, &eh))
		return 0;
	for (const struct pa_map *m = &maps[i]; m < maps + count; m++) {
		if (m->inode == maps[i].inode && m->dev == maps[i].dev && m->read &&
		    eh.e_phoff >= m->offset && eh.e_phoff - m->offset < m->end - m->start)
			return m->start + (eh.e_phoff - m->offset);
	}
	return 0;
}

/* Offset in the page of the build id among the notes at [at, end), 0 when it is not there. */
static size_t build_id_in(const uint8_t *page, size_t at, size_t end)
{
	Elf64_Nhdr n;

	while (at < end && end - at >= sizeof(n)) {
		size_t name, desc;

		memcpy(&n, page + at, sizeof(n));
		name = at + sizeof(n);
		if (n.n_namesz > end - name || ((n.n_namesz + 3) & ~3u) > end - name)
			return 0;
		desc = name + ((n.n_namesz + 3) & ~3u);
		if (n.n_descsz > end - desc)
			return 0;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_descsz >= sizeof(uint64_t) &&
		    n.n_namesz == sizeof("GNU") && !memcmp(page + name, "GNU", sizeof("GNU")))
			return desc;
		at = desc + ((n.n_descsz + 3) & ~3u);
	}
	return 0;
}

static size_t find_build_id(const uint8_t *page, size_t len)
{
	struct pa_phdrs elf;
	size_t at = 0;
	Elf64_Phdr ph;

	if (!pa_phdrs_open(&elf, page, len))
		return 0;
	len = PA_MIN(len, PA_ARCH_PAGE);
	for (unsigned i = 0; !at && pa_phdr_get(&elf, i, &ph); i++)
		if (ph.p_type == PT_NOTE && ph.p_offset < len && ph.p_filesz <= len - ph.p_offset)
			at = build_id_in(page, ph.p_offset, ph.p_offset + ph.p_filesz);
	return at;
}

/* The value comes from the same look at the header as header_hash, where that is possible. */
static void choose_probe(struct pa_object *o, const uint8_t *page, size_t len)
{
	size_t id = find_build_id(page, len);
	uint64_t count_at = o->eh_frame_hdr + 8; /* number of FDEs, begin of the search table */

	if (id) {
		o->probe = o->header + id;
		o->has_build_id = true;
		memcpy(&o->probe_value, page + id, sizeof(o->probe_value));
	} else if (o->eh_frame_hdr &&
		   !pa_peek_all(count_at, &o->probe_value, sizeof(o->probe_value))) {
		o->probe = count_at;
	}
}

static void ask_loader(struct pa_object *o)
{
	struct pa_loader_record last = pa_object_loader(o->code_hi - 1);

	o->loader = pa_object_loader(o->code_lo);
	o->permanent = is_permanent(o->loader.link_map);
	o->split = o->loader.map_start != last.map_start || o->loader.map_end != last.map_end;
}

int pa_object_read(const struct pa_map *maps, size_t count, size_t i, struct pa_object *ret)
{
	uint8_t header[PA_OBJECT_HEADER_MAX];
	struct pa_object o = {.dev = maps[i].dev, .inode = maps[i].inode};
	ssize_t len;
	int err;

	if (maps[i].offset || !maps[i].read)
		return -ENOEXEC;
	len = pa_object_header(maps[i].start, 0, header);
	if (len < 0)
		return (int)len;
	err = pa_object_layout(header, (size_t)len, maps[i].start, &o);
	if (err) {
		o.phdrs = find_phdrs(maps, count, i, header, (size_t)len);
		len = o.phdrs ? pa_object_header(maps[i].start, o.phdrs, header) : -ENOEXEC;
		if (len < 0)
			return (int)len;
		err = pa_object_layout(header, (size_t)len, maps[i].start, &o);
	}
	if (err)
		return err;
	if (!code_is_mapped(maps, count, &maps[i], &o))
		return -ENOEXEC;
	o.header = maps[i].start;
	o.header_hash = pa_hash_bytes(header, (size_t)len);
	choose_probe(&o, header, (size_t)len);
	ask_loader(&o);
	*ret = o;
	return 0;
}

bool pa_object_bare(struct pa_object *o)
{
	uint8_t page[PA_ARCH_PAGE];
	struct pa_loader_record now;
	struct pa_object whole;
	uint64_t start;
	ssize_t len;

	o->loader = pa_object_loader(o->lo);
	if (!o->loader.link_map)
		return false;
	/* An object that came or went while it was looked at is none without headers. */
	start = o->loader.map_start & ~(PA_ARCH_PAGE - 1);
	len = pa_peek(start, page, sizeof(page));
	if (len > 0 && !pa_object_layout(page, (size_t)len, start, &whole))
		return false;
	now = pa_object_loader(o->lo);
	return pa_object_is(o, &now);
}

bool pa_object_same(const struct pa_object *a, const struct pa_object *b)
{
	return a->lo == b->lo && a->hi == b->hi && a->dev == b->dev && a->inode == b->inode &&
	       a->header_hash == b->header_hash && a->eh_frame_hdr == b->eh_frame_hdr &&
	       a->probe == b->probe && a->probe_value == b->probe_value && a->split == b->split &&
	       pa_object_is(a, &b->loader);
}

bool pa_object_still(const struct pa_object *o)
{
	uint8_t header[PA_OBJECT_HEADER_MAX];
	ssize_t len;

	if (!pa_object_present(o, o->code_lo))
		return false;
	len = pa_object_header(o->header, o->phdrs, header);
	return len > 0 && pa_hash_bytes(header, (size_t)len) == o->header_hash;
}
