/* SPDX-License-Identifier: Apache-2.0
 * Files of debug information that lie apart from their program. Never over a network, and never a
 * file of another build. */
#ifndef PA_SYMBOLIZE_FIND_H
#define PA_SYMBOLIZE_FIND_H

#include "agent/symbolize/elf_file.h"

/* Looks there instead of in /usr/lib/debug. The text must stay. */
void pa_dbg_find_root_set(const char *root);

/* The debug file of a program or library: by its build id below the root, by its .gnu_debuglink
 * (main may be NULL), in the caches of debuginfod clients. `path` is where the program itself is,
 * "" when that is not known. Sets *ret_path to where the file was found (malloc'ed). -ENOENT. */
int pa_dbg_find_debug(Elf *main, const char *build_id, const char *path, struct pa_dbg_file *ret,
		      char **ret_path) PA_CHECKED;

/* The file that dwz has put common parts into (.gnu_debugaltlink). -ENOENT also when none is
 * needed. */
int pa_dbg_find_alt(Dwarf *dwarf, const char *path, struct pa_dbg_file *ret) PA_CHECKED;

#endif
