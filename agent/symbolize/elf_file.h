/* SPDX-License-Identifier: Apache-2.0
 * An ELF file that is open for reading. It is mapped read-only, so that even a debug file of
 * gigabytes takes none of the memory that this process may have. */
#ifndef PA_SYMBOLIZE_ELF_FILE_H
#define PA_SYMBOLIZE_ELF_FILE_H

#include <elfutils/libdw.h>
#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>

#include "agent/base/compiler.h"
#include "agent/symbolize/cursor.h"

#define PA_DBG_BUILD_ID 64 /* longest build id in bytes */

/* Zero-initialise; all zero after close. */
struct pa_dbg_file {
	Elf *elf;
	Dwarf *dwarf; /* NULL: it has none */
	void *image;  /* mapped, when it is not the file itself */
	size_t image_size;
	char *folder; /* where libdw looks for .dwo files, with a slash behind; NULL: nowhere */
	char build_id[2 * PA_DBG_BUILD_ID + 1]; /* in hex, "" without */
};

/* Opens an executable, a shared library or a file of debug information for it, of this machine's
 * byte order. The descriptor stays the caller's. 0 or -errno. */
int pa_dbg_file_open(int fd, struct pa_dbg_file *ret) PA_CHECKED;

/* Takes over an image that is mapped. 0, or -errno when it is unmapped again. */
int pa_dbg_file_open_image(void *image, size_t size, struct pa_dbg_file *ret) PA_CHECKED;

void pa_dbg_file_close(struct pa_dbg_file *f);

/* Contents of a section, without compression if `dwarf` is open; false when there are none. Names
 * of debug sections (".debug_line") find the old compressed kind (".zdebug_line") too. */
bool pa_dbg_file_section(Elf *elf, const char *name, struct pa_dbg_bytes *ret);

/* Opens a regular file for reading; nothing else is opened, not even for a moment. -errno. */
int pa_dbg_open_regular(const char *path) PA_CHECKED;

/* From elf_unpack.c: an image of the file in which no section is compressed. *ret_image stays NULL
 * when none is anyway, or it would be too large. 0 or -errno. */
int pa_dbg_file_unpack(Elf *elf, void **ret_image, size_t *ret_size) PA_CHECKED;

/* From no_dwarf.c: debug information of nothing, for those who have lost some: libdw would go and
 * open what they name, of whatever kind and build. Stays for good; NULL without memory. */
Dwarf *pa_dbg_no_dwarf(void);

/* From minidebug.c: symbols that a stripped file carries in .gnu_debugdata, xz-compressed. 0,
 * -ENOENT when it has none, or another error. */
int pa_dbg_file_minidebug(Elf *elf, struct pa_dbg_file *ret) PA_CHECKED;

#endif
