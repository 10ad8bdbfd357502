/* SPDX-License-Identifier: Apache-2.0
 * Build ids: ELF notes, found through PT_NOTE or, in files without program headers, SHT_NOTE. */
#include <elf.h>
#include <string.h>

#include "agent/symbols/elf.h"

#define MAX_NOTES     256 /* real files have one to six */
#define MAX_ID        ((PA_BUILD_ID_HEX - 1) / 2)
#define NOTE_HEADER   12 /* three words of 32 bits, in both classes */
#define NOTE_MAX_SIZE (1u << 20)

static void write_hex(char *ret, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		ret[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		ret[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
	ret[2 * count] = '\0';
}

static uint64_t round_up(uint64_t n, uint64_t align)
{
	return (n + align - 1) & ~(align - 1);
}

/* Looks through the notes at [pos, pos + size). Padding is to 4 bytes, to 8 in segments that are
 * aligned so (.note.gnu.property). */
static bool scan_notes(const struct pa_elf *e, uint64_t pos, uint64_t size, uint64_t align,
		       char *ret_hex)
{
	uint64_t at = 0;

	if (size > NOTE_MAX_SIZE)
		return false;
	align = align == 8 ? 8 : 4;
	for (int i = 0; i < MAX_NOTES && at + NOTE_HEADER <= size; i++) {
		uint8_t note[NOTE_HEADER + 4], id[MAX_ID];
		uint64_t namesz, descsz, desc;

		if (pa_elf_read(&e->src, pos + at, note, NOTE_HEADER) < 0)
			return false;
		namesz = pa_elf_u32(e, note);
		descsz = pa_elf_u32(e, note + 4);
		desc = round_up(at + NOTE_HEADER + namesz, align);
		if (desc > size || descsz > size - desc)
			return false;
		if (namesz == 4 && pa_elf_u32(e, note + 8) == NT_GNU_BUILD_ID && descsz &&
		    descsz <= MAX_ID) {
			if (pa_elf_read(&e->src, pos + at + NOTE_HEADER, note + NOTE_HEADER, 4) <
				    0 ||
			    pa_elf_read(&e->src, pos + desc, id, descsz) < 0)
				return false;
			if (!memcmp(note + NOTE_HEADER, "GNU", 4)) {
				write_hex(ret_hex, id, descsz);
				return true;
			}
		}
		at = round_up(desc + descsz, align);
	}
	return false;
}

static bool scan_segments(const struct pa_elf *e, char *ret_hex)
{
	for (uint32_t i = 0; i < e->phnum; i++) {
		struct pa_elf_segment s;
		uint64_t align;

		if (pa_elf_note_segment(e, i, &s, &align) == 0 &&
		    scan_notes(e, e->image ? s.vaddr : s.offset, s.filesz, align, ret_hex))
			return true;
	}
	return false;
}

static bool scan_sections(const struct pa_elf *e, char *ret_hex)
{
	for (uint32_t i = 0; i < e->shnum; i++) {
		struct pa_elf_section s;

		if (pa_elf_section(e, i, &s) < 0)
			return false;
		if (s.type == SHT_NOTE && pa_elf_section_readable(e, &s) &&
		    scan_notes(e, s.offset, s.size, s.align, ret_hex))
			return true;
	}
	return false;
}

void pa_elf_build_id(const struct pa_elf *e, char ret_hex[PA_BUILD_ID_HEX])
{
	ret_hex[0] = '\0';
	if (!scan_segments(e, ret_hex))
		scan_sections(e, ret_hex);
}

void pa_elf_notes_build_id(const void *notes, size_t size, char ret_hex[PA_BUILD_ID_HEX])
{
	struct pa_elf e = {.src = pa_elf_source_buffer(notes, size), .is64 = true};

	ret_hex[0] = '\0';
	scan_notes(&e, 0, size, 4, ret_hex);
}
