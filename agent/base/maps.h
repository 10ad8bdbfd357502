/* SPDX-License-Identifier: Apache-2.0
 * /proc/PID/maps as an array (proc(5)). */
#ifndef PA_BASE_MAPS_H
#define PA_BASE_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/base/compiler.h"

struct pa_map {
	uint64_t start, end; /* addresses, end exclusive */
	uint64_t offset;     /* in the file */
	uint64_t inode;      /* 0: anonymous */
	uint32_t dev;        /* major << 20 | minor */
	bool read, write, exec;
	bool deleted;     /* " (deleted)" was behind the path and has been cut off */
	const char *path; /* "" for anonymous; the kernel's \012 undone */
};

/* Parses maps text. Lines that make no sense are skipped. Strings and array live in `a`.
 * 0 or -ENOMEM. Any thread. */
int pa_maps_parse(const char *text, size_t len, struct pa_arena *a, struct pa_map **ret_maps,
		  size_t *ret_count) PA_CHECKED;

/* Reads and parses /proc/self/maps, or asks the dynamic loader where there is no such file. Agent
 * thread only. */
int pa_maps_read(struct pa_arena *a, struct pa_map **ret_maps, size_t *ret_count) PA_CHECKED;

/* The segments of the objects that the dynamic loader knows, as far as they can be read: files by the
 * names that they were opened with, without telling which file that was (dev is of no device). 0 or
 * -ENOMEM. Agent thread only. */
int pa_maps_of_loader(struct pa_arena *a, struct pa_map **ret_maps, size_t *ret_count) PA_CHECKED;

#endif
