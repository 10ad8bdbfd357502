/* SPDX-License-Identifier: Apache-2.0
 * From an object in memory to its table: finds .eh_frame through .eh_frame_hdr, copies it up to
 * its terminator, compiles the copy. */
#include <errno.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/peek.h"
#include "agent/unwind/arch.h"
#include "agent/unwind/cfi.h"
#include "agent/unwind/object.h"
#include "agent/unwind/phdrs.h"

#define CHUNK ((size_t)256 << 10)

/* Version, three encodings, then the address of .eh_frame (LSB Core 5.0, 10.6.2). */
#define EH_FRAME_HDR_MAX 16

int pa_object_eh_frame(const uint8_t *hdr, size_t len, uint64_t hdr_addr, uint64_t *ret_addr)
{
	struct pa_dwarf d = {.p = hdr, .end = hdr + len, .bias = hdr_addr - (uint64_t)hdr};
	uint8_t version = pa_dwarf_u8(&d);
	uint8_t encoding = pa_dwarf_u8(&d);
	uint64_t addr;

	pa_dwarf_u16(&d);
	if (version != 1 || encoding == PA_PE_OMIT)
		return -ENOEXEC;
	addr = pa_dwarf_pointer(&d, encoding);
	if (d.bad)
		return -ENOEXEC;
	*ret_addr = addr;
	return 0;
}

/* End of what the file holds of the segment around addr, 0 when there is none. */
static uint64_t segment_end(const struct pa_object *o, uint64_t addr)
{
	uint8_t header[PA_OBJECT_HEADER_MAX];
	ssize_t len = pa_object_header(o->header, o->phdrs, header);
	struct pa_phdrs elf;
	Elf64_Phdr ph;

	if (len <= 0 || !pa_phdrs_open(&elf, header, (size_t)len))
		return 0;
	for (unsigned i = 0; pa_phdr_get(&elf, i, &ph); i++) {
		uint64_t start = ph.p_vaddr + o->bias;

		if (ph.p_type == PT_LOAD && addr >= start && addr - start < ph.p_filesz)
			return PA_MIN(start + ph.p_filesz, o->hi);
	}
	return 0;
}

/* Moves *at over records. False when more bytes are needed to go on; true at the terminator, or
 * when the next record would not end before `max`. */
static bool skip_records(const uint8_t *data, size_t len, size_t max, size_t *at)
{
	for (;;) {
		struct pa_dwarf d = {.p = data + *at, .end = data + len};
		uint64_t n = pa_dwarf_u32(&d);

		if (n == UINT32_MAX)
			n = pa_dwarf_u64(&d);
		if (d.bad)
			return false;
		if (!n || n > max - (size_t)(d.p - data))
			return true;
		if (n > pa_dwarf_left(&d))
			return false;
		*at = (size_t)(d.p - data) + n;
	}
}

struct copy {
	void *data;
	size_t cap, len;
};

/* Copies the records at addr, not going beyond addr + max. 0, -EFAULT or -ENOMEM; free data in
 * either case. */
static int copy_records(uint64_t addr, size_t max, struct copy *c)
{
	size_t at = 0, chunk;
	ssize_t n;
	int err;

	while (c->len < max && !skip_records(c->data, c->len, max, &at)) {
		chunk = PA_MIN(CHUNK, max - c->len);
		err = pa_pages_grow(&c->data, &c->cap, c->len + chunk);
		if (err)
			return err;
		n = pa_peek(addr + c->len, (uint8_t *)c->data + c->len, chunk);
		if (n <= 0)
			return -EFAULT;
		c->len += (size_t)n;
	}
	skip_records(c->data, c->len, max, &at);
	c->len = at;
	return 0;
}

/* Whether the copy is still what is at addr. */
static bool is_unchanged(uint64_t addr, const struct copy *c)
{
	uint8_t now[PA_ARCH_PAGE];

	for (size_t at = 0; at < c->len; at += sizeof(now)) {
		size_t n = PA_MIN(sizeof(now), c->len - at);

		if (pa_peek_all(addr + at, now, n) ||
		    memcmp(now, (const uint8_t *)c->data + at, n) != 0)
			return false;
	}
	return true;
}

int pa_object_compile(const struct pa_object *o, struct pa_table **ret)
{
	uint8_t hdr[EH_FRAME_HDR_MAX];
	struct copy c = {0};
	uint64_t addr, end;
	ssize_t len;
	int err;

	if (!o->eh_frame_hdr)
		return -ENOEXEC;
	len = pa_peek(o->eh_frame_hdr, hdr, PA_MIN(sizeof(hdr), o->eh_frame_hdr_len));
	if (len <= 0)
		return -EFAULT;
	err = pa_object_eh_frame(hdr, (size_t)len, o->eh_frame_hdr, &addr);
	if (err)
		return err;
	end = segment_end(o, addr);
	if (!end)
		return -ENOEXEC;
	err = copy_records(addr, end - addr, &c);
	/* Between two looks at its header an object may go, another one be copied in its place, and
	 * the first come back. It would have to do so twice to pass here. */
	if (!err && !o->permanent && (!pa_object_present(o, o->code_lo) || !is_unchanged(addr, &c)))
		err = -EAGAIN;
	if (!err) {
		struct pa_eh_frame eh = {
			.data = c.data, .len = c.len, .addr = addr, .lo = o->lo, .hi = o->hi};

		err = pa_cfi_compile(&eh, ret);
	}
	pa_pages_free(c.data, c.cap);
	return err;
}
