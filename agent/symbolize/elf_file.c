/* SPDX-License-Identifier: Apache-2.0
 * Opening ELF files. */
#include "agent/symbolize/elf_file.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/symbolize/guard.h"

__attribute__((noreturn)) static void on_no_memory(void)
{
	pa_dbg_guard_throw(-ENOMEM);
}

/* dwz makes relocatable files, without relocations. */
static bool is_ours(Elf *elf)
{
	const unsigned char little[] = {1, 0};
	uint16_t probe;
	GElf_Ehdr ehdr;

	memcpy(&probe, little, sizeof(probe));
	return elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &ehdr) &&
	       ehdr.e_ident[EI_DATA] == (probe == 1 ? ELFDATA2LSB : ELFDATA2MSB) &&
	       (ehdr.e_type == ET_EXEC || ehdr.e_type == ET_DYN || ehdr.e_type == ET_REL);
}

static void read_build_id(struct pa_dbg_file *f)
{
	static const char digits[] = "0123456789abcdef";
	const void *id = NULL;
	ssize_t len = dwelf_elf_gnu_build_id(f->elf, &id);

	for (ssize_t i = 0; i < len && len <= PA_DBG_BUILD_ID; i++) {
		uint8_t byte = ((const uint8_t *)id)[i];

		f->build_id[2 * i] = digits[byte >> 4];
		f->build_id[2 * i + 1] = digits[byte & 15];
		f->build_id[2 * i + 2] = '\0';
	}
}

/* Takes over the ELF descriptor. */
static int open_elf(Elf *elf, struct pa_dbg_file *ret)
{
	struct pa_dbg_file f = {.elf = elf};
	int r;

	if (!elf)
		return -ENOEXEC;
	if (!is_ours(elf)) {
		elf_end(elf);
		return -ENOEXEC;
	}
	r = pa_dbg_file_unpack(elf, &f.image, &f.image_size);
	if (r == 0 && f.image) {
		elf_end(elf);
		f.elf = elf_memory(f.image, f.image_size);
	}
	if (r < 0 || !f.elf) {
		pa_dbg_file_close(&f);
		return r < 0 ? r : -ENOEXEC;
	}
	read_build_id(&f);
	f.dwarf = dwarf_begin_elf(f.elf, DWARF_C_READ, NULL);
	if (f.dwarf && !pa_dbg_no_dwarf()) {
		pa_dbg_file_close(&f);
		return -ENOMEM;
	}
	if (f.dwarf) {
		dwarf_new_oom_handler(f.dwarf, on_no_memory);
		dwarf_setalt(f.dwarf, pa_dbg_no_dwarf());
	}
	*ret = f;
	return 0;
}

/* As libdw does it. */
static char *folder_of(int fd)
{
	char path[40], *real, *slash;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	real = realpath(path, NULL);
	slash = real ? strrchr(real, '/') : NULL;
	if (slash)
		slash[1] = '\0';
	return real;
}

int pa_dbg_file_open(int fd, struct pa_dbg_file *ret)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -ENOEXEC;
	elf_version(EV_CURRENT);
	/* With the descriptor libdw learns the folder that .dwo files may be in. */
	r = open_elf(elf_begin(fd, ELF_C_READ_MMAP, NULL), ret);
	if (r == 0 && !ret->image) {
		ret->folder = folder_of(fd);
		elf_cntl(ret->elf, ELF_C_FDDONE);
	}
	return r;
}

int pa_dbg_file_open_image(void *image, size_t size, struct pa_dbg_file *ret)
{
	struct pa_dbg_file f = {0};
	int r;

	elf_version(EV_CURRENT);
	r = open_elf(elf_memory(image, size), &f);
	if (r < 0 || f.image) {
		munmap(image, size);
	} else {
		f.image = image;
		f.image_size = size;
	}
	if (r == 0)
		*ret = f;
	return r;
}

void pa_dbg_file_close(struct pa_dbg_file *f)
{
	dwarf_end(f->dwarf);
	elf_end(f->elf);
	if (f->image)
		munmap(f->image, f->image_size);
	free(f->folder);
	*f = (struct pa_dbg_file){0};
}

static bool is_named(const char *name, const char *wanted)
{
	if (!name)
		return false;
	if (!strncmp(name, ".z", 2) && !strncmp(wanted, ".debug_", 7))
		return !strcmp(name + 2, wanted + 1);
	return !strcmp(name, wanted);
}

bool pa_dbg_file_section(Elf *elf, const char *name, struct pa_dbg_bytes *ret)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return false;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;
		Elf_Data *data;

		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type == SHT_NOBITS ||
		    !is_named(elf_strptr(elf, names, shdr.sh_name), name))
			continue;
		data = elf_getdata(scn, NULL);
		if (!data || !data->d_buf || !data->d_size)
			return false;
		*ret = (struct pa_dbg_bytes){data->d_buf, data->d_size};
		return true;
	}
	return false;
}

int pa_dbg_open_regular(const char *path)
{
	struct stat st;
	int fd;

	/* A device may act when it is opened, a pipe waits. */
	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}
