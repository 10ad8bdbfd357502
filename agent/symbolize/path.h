/* SPDX-License-Identifier: Apache-2.0
 * Paths of source files as debug information has them, in parts. */
#ifndef PA_SYMBOLIZE_PATH_H
#define PA_SYMBOLIZE_PATH_H

#include <stddef.h>

/* Joins up to three parts, NULL or "" for those that are missing: what stands before an absolute
 * part does not count. "." and "a/.." and doubled slashes are taken out, as text: links are those
 * of the machine that compiled. Always NUL-terminated; the length, 0 when it does not fit. */
size_t pa_dbg_path_join(const char *comp_dir, const char *dir, const char *name, char *buf,
			size_t size);

#endif
