/* SPDX-License-Identifier: Apache-2.0
 * From addresses to functions and lines. */
#ifndef PA_SYMBOLIZE_LOOKUP_H
#define PA_SYMBOLIZE_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

struct pa_dbg_object;

/* As it stands for lines of one file: one whose body comes from two files is two of these. */
struct pa_dbg_function {
	const char *name, *system_name;
	const char *file; /* "" when unknown */
	uint32_t start_line;
	uint32_t number; /* in order of first use */
};

struct pa_dbg_frame {
	const struct pa_dbg_function *function;
	uint32_t line, column;
};

struct pa_dbg_sink {
	/* The functions around an address, innermost first; each address at most once. */
	void (*address)(void *arg, size_t index, const struct pa_dbg_frame *frames, size_t count);
	/* A moment at which what was said can be passed on: the next part may take long. */
	void (*pause)(void *arg);
	void *arg;
};

/* Addresses are ascending. What is not known is not mentioned. Functions are valid until it
 * returns. */
void pa_dbg_lookup(const struct pa_dbg_object *o, const uint64_t *addrs, size_t count,
		   const struct pa_dbg_sink *sink);

#endif
