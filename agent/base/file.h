/* SPDX-License-Identifier: Apache-2.0
 * Files and descriptors without stdio. */
#ifndef PA_BASE_FILE_H
#define PA_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "agent/base/arena.h"
#include "agent/base/compiler.h"

/* Whole file into *buf (pa_pages_grow; free with pa_pages_free(*buf, *cap)), NUL behind the last
 * byte. Reads until end of file, so works for /proc; -EFBIG above max bytes. 0 or -errno. */
int pa_file_read(const char *path, size_t max, char **ret_buf, size_t *ret_cap,
		 size_t *ret_len) PA_CHECKED;

/* Up to size-1 bytes of a small file into buf, NUL-terminated; length or -errno. Signal-safe. */
ssize_t pa_file_read_small(const char *path, char *buf, size_t size) PA_CHECKED;

/* Moves a fresh descriptor out of the range that programs use by number (>= 1000 where
 * RLIMIT_NOFILE allows, never 0-2), close-on-exec. Returns the new one; fd itself when
 * there is no room; negative values are passed through. */
int pa_fd_high(int fd) PA_CHECKED;

#endif
