/* SPDX-License-Identifier: Apache-2.0
 * Program headers out of the first bytes of an ELF image, which are not trusted. */
#ifndef PA_UNWIND_PHDRS_H
#define PA_UNWIND_PHDRS_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "agent/unwind/arch.h"

struct pa_phdrs {
	const uint8_t *phdrs;
	unsigned count;
};

/* The ELF header; false when this is no ELF file of our kind. */
static inline bool pa_ehdr_get(const uint8_t *image, size_t len, Elf64_Ehdr *ret)
{
	if (len < sizeof(*ret))
		return false;
	memcpy(ret, image, sizeof(*ret));
	return !memcmp(ret->e_ident, ELFMAG, SELFMAG) && ret->e_ident[EI_CLASS] == ELFCLASS64 &&
	       ret->e_ident[EI_DATA] == ELFDATA2LSB && ret->e_machine == PA_ARCH_ELF_MACHINE &&
	       (ret->e_type == ET_EXEC || ret->e_type == ET_DYN) &&
	       ret->e_phentsize == sizeof(Elf64_Phdr);
}

/* False also when the program headers lie behind the bytes at hand. */
static inline bool pa_phdrs_open(struct pa_phdrs *e, const uint8_t *image, size_t len)
{
	Elf64_Ehdr eh;

	if (!pa_ehdr_get(image, len, &eh) || eh.e_phoff > len ||
	    eh.e_phnum * sizeof(Elf64_Phdr) > len - eh.e_phoff)
		return false;
	e->phdrs = image + eh.e_phoff;
	e->count = eh.e_phnum;
	return true;
}

/* Program header i; false behind the last. */
static inline bool pa_phdr_get(const struct pa_phdrs *e, unsigned i, Elf64_Phdr *ret)
{
	if (i >= e->count)
		return false;
	memcpy(ret, e->phdrs + i * sizeof(*ret), sizeof(*ret));
	return true;
}

#endif
