/* SPDX-License-Identifier: Apache-2.0
 * An answer of profagent-symbolize while it comes in, and what it adds to an object's lines. */
#ifndef PA_SYMBOLS_SYMBOLIZER_ANSWER_H
#define PA_SYMBOLS_SYMBOLIZER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/symbolize/protocol.h"

struct pa_function;
struct pa_lines;

/* The largest reply: a function with three texts. */
#define PA_SYMBOLIZER_REPLY_MAX                                                                    \
	(sizeof(struct pa_symbolize_reply) + sizeof(struct pa_symbolize_function) +                \
	 3 * PA_SYMBOLIZE_TEXT)

struct pa_symbolizer_answer {
	bool open;
	uint32_t id;
	struct pa_lines *lines; /* pinned; NULL: waiting for the greeting */
	uint64_t *vaddrs;       /* own copy: the request may be over before the answer */
	size_t count, vaddrs_cap;
	const struct pa_function **functions;
	size_t function_count, functions_cap;
	size_t address_count; /* that were answered: each once at most */
	size_t dropped; /* of these, whose lines did not fit the memory; kept behind the end */
	size_t in_len;
	_Alignas(8) char in[2 * PA_SYMBOLIZER_REPLY_MAX];
};

/* Begins to wait for an answer about these addresses. 0 or -ENOMEM. */
int pa_symbolizer_answer_begin(struct pa_symbolizer_answer *a, uint32_t id, struct pa_lines *lines,
			       const uint64_t *vaddrs, size_t count);

/* Takes the replies that are whole in `in`. 1: that was the last; 0: more must come; -EPROTO: the
 * program says what it may not say. */
int pa_symbolizer_answer_take(struct pa_symbolizer_answer *a) PA_CHECKED;

void pa_symbolizer_answer_end(struct pa_symbolizer_answer *a);

/* As end, in a forked child, where pins mean nothing. What somebody was at work on (not `stable`) is
 * left behind, pages and all. */
void pa_symbolizer_answer_forget(struct pa_symbolizer_answer *a, bool stable);

#endif
