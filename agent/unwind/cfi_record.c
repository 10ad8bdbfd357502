/* SPDX-License-Identifier: Apache-2.0
 * The records of .eh_frame: common information (CIE) and one description a function (FDE). */
#include "agent/unwind/arch.h"
#include "agent/unwind/cfi.h"

/* Compilers write 2 to 5 characters and 3 to 20 bytes of instructions. The limits keep an FDE's
 * cost constant: its CIE may have to be read again for it. */
#define AUGMENTATION_MAX 16
#define CIE_PROGRAM_MAX  256

bool pa_cfi_next(const struct pa_eh_frame *eh, uint32_t *at, struct pa_cfi_record *ret)
{
	struct pa_dwarf d = {.p = eh->data + *at,
			     .end = eh->data + eh->len,
			     .bias = eh->addr - (uint64_t)eh->data};
	struct pa_cfi_record r = {0};
	uint64_t len = pa_dwarf_u32(&d);
	uint32_t id_at, id;

	/* 64-bit DWARF widens the length only; the id stays 32 bits in .eh_frame. */
	if (len == UINT32_MAX)
		len = pa_dwarf_u64(&d);
	if (d.bad || len < sizeof(id) || len > pa_dwarf_left(&d))
		return false;
	d.end = d.p + len;
	id_at = (uint32_t)(d.p - eh->data);
	id = pa_dwarf_u32(&d);
	r.is_cie = !id;
	if (r.is_cie) {
		r.cie = *at;
	} else {
		/* Distance back from the id field. */
		if (id > id_at)
			return false;
		r.cie = id_at - id;
	}
	r.body = d;
	*ret = r;
	*at = (uint32_t)(d.end - eh->data);
	return true;
}

/* Data for the letters behind 'z', in their order. */
static bool read_augmentation(struct pa_cfi_cie *cie, const char *letters, struct pa_dwarf *d)
{
	uint64_t len = pa_dwarf_uleb(d);
	const uint8_t *data = pa_dwarf_bytes(d, len);
	struct pa_dwarf a;

	if (!data)
		return false;
	a = (struct pa_dwarf){.p = data, .end = data + len, .bias = d->bias};
	for (; *letters; letters++) {
		switch (*letters) {
		case 'R':
			cie->pointer_encoding = pa_dwarf_u8(&a);
			break;
		case 'L':
			pa_dwarf_u8(&a);
			break;
		case 'P':
			pa_dwarf_value(&a, pa_dwarf_u8(&a));
			break;
		case 'S':
			cie->signal_frame = true;
			break;
		case 'B': /* aarch64: return addresses signed with key B */
			break;
		default: /* the rest is unknown, but its length is not */
			return !a.bad;
		}
	}
	return !a.bad;
}

/* Copies the augmentation string; false when it is unterminated, too long or of the kind before
 * 'z' ("eh" of gcc 2). */
static bool read_letters(struct pa_dwarf *d, char *letters)
{
	unsigned n = 0;

	do {
		if (n == AUGMENTATION_MAX)
			return false;
		letters[n] = (char)pa_dwarf_u8(d);
	} while (letters[n++]);
	return !d->bad && (!letters[0] || letters[0] == 'z');
}

bool pa_cfi_cie(const struct pa_eh_frame *eh, uint32_t at, struct pa_cfi_cie *ret)
{
	struct pa_cfi_cie cie = {0};
	char letters[AUGMENTATION_MAX];
	struct pa_cfi_record r;
	struct pa_dwarf d;
	uint64_t ra;
	uint8_t version;

	if (!pa_cfi_next(eh, &at, &r) || !r.is_cie)
		return false;
	d = r.body;
	version = pa_dwarf_u8(&d);
	if (!read_letters(&d, letters) || (version != 1 && version != 3 && version != 4))
		return false;
	/* Version 4 adds the sizes of addresses and of segment selectors. */
	if (version == 4 && (pa_dwarf_u8(&d) != 8 || pa_dwarf_u8(&d) != 0))
		return false;
	cie.code_align = pa_dwarf_uleb(&d);
	cie.data_align = pa_dwarf_sleb(&d);
	ra = version == 1 ? pa_dwarf_u8(&d) : pa_dwarf_uleb(&d);
	cie.has_augmentation = letters[0] == 'z';
	if (cie.has_augmentation && !read_augmentation(&cie, letters + 1, &d))
		return false;
	if (d.bad || ra != PA_REG_PC || pa_dwarf_left(&d) > CIE_PROGRAM_MAX)
		return false;
	cie.program = d;
	*ret = cie;
	return true;
}

bool pa_cfi_fde(const struct pa_eh_frame *eh, const struct pa_cfi_record *record,
		const struct pa_cfi_cie *cie, struct pa_cfi_fde *ret)
{
	struct pa_dwarf d = record->body;
	struct pa_cfi_fde fde = {.cie = record->cie};
	uint64_t len;

	fde.start = pa_dwarf_pointer(&d, cie->pointer_encoding);
	len = pa_dwarf_value(&d, cie->pointer_encoding & PA_PE_FORMAT);
	if (cie->has_augmentation)
		pa_dwarf_bytes(&d, pa_dwarf_uleb(&d));
	if (d.bad || fde.start < eh->lo || fde.start >= eh->hi || !len)
		return false;
	fde.end = len > eh->hi - fde.start ? eh->hi : fde.start + len;
	fde.program = d;
	*ret = fde;
	return true;
}
