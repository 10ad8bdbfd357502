/* SPDX-License-Identifier: Apache-2.0
 * Reading the answers of profagent-symbolize, which has read hostile files: nothing in them is
 * believed. */
#include "agent/symbols/symbolizer_answer.h"

#include <errno.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/symbols/lines.h"
#include "agent/symbols/utf8.h"

/* A file's functions: there are no more than lines. */
#define FUNCTIONS_MAX (PA_SYMBOLIZE_ADDRS * PA_SYMBOLIZE_LINES)

int pa_symbolizer_answer_begin(struct pa_symbolizer_answer *a, uint32_t id, struct pa_lines *lines,
			       const uint64_t *vaddrs, size_t count)
{
	void *copy = a->vaddrs;
	int r = count ? pa_pages_grow(&copy, &a->vaddrs_cap, count * sizeof(*vaddrs)) : 0;

	if (r < 0)
		return r;
	a->vaddrs = copy;
	if (count)
		memcpy(a->vaddrs, vaddrs, count * sizeof(*vaddrs));
	a->count = count;
	a->id = id;
	a->lines = lines ? pa_lines_pin(lines) : NULL;
	a->function_count = 0;
	a->address_count = a->dropped = 0;
	a->in_len = 0;
	a->open = true;
	return 0;
}

void pa_symbolizer_answer_end(struct pa_symbolizer_answer *a)
{
	pa_lines_put(a->lines);
	a->lines = NULL;
	a->open = false;
	pa_pages_free(a->vaddrs, a->vaddrs_cap);
	pa_pages_free(a->functions, a->functions_cap);
	a->vaddrs = NULL;
	a->functions = NULL;
	a->vaddrs_cap = a->functions_cap = a->function_count = a->count = 0;
}

void pa_symbolizer_answer_forget(struct pa_symbolizer_answer *a, bool stable)
{
	if (!stable) {
		a->vaddrs = NULL;
		a->functions = NULL;
	}
	a->lines = NULL;
	pa_symbolizer_answer_end(a);
}

/* The next text of a body; false when it does not fit. */
static bool take_text(const char **at, size_t *left, size_t len, char *buf)
{
	if (len >= PA_SYMBOLIZE_TEXT || len > *left)
		return false;
	memcpy(buf, *at, len);
	buf[len] = '\0';
	pa_utf8_clean(buf);
	*at += len;
	*left -= len;
	return true;
}

/* A function that does not fit the memory is kept as NULL: its lines are left out. */
static int append_function(struct pa_symbolizer_answer *a, const struct pa_function *f)
{
	const struct pa_function *kept = NULL;
	void *functions = a->functions;

	if (pa_lines_add_function(a->lines, f, &kept) < 0)
		kept = NULL;
	if (pa_pages_grow(&functions, &a->functions_cap,
			  (a->function_count + 1) * sizeof(struct pa_function *)) < 0)
		return -ENOMEM;
	a->functions = functions;
	a->functions[a->function_count++] = kept;
	return 0;
}

static int take_function(struct pa_symbolizer_answer *a, const char *body, size_t size)
{
	char name[PA_SYMBOLIZE_TEXT], system_name[PA_SYMBOLIZE_TEXT], file[PA_SYMBOLIZE_TEXT];
	struct pa_symbolize_function head;
	struct pa_function f = {.name = name, .system_name = system_name, .file = file};

	if (size < sizeof(head) || a->function_count == FUNCTIONS_MAX)
		return -EPROTO;
	memcpy(&head, body, sizeof(head));
	body += sizeof(head);
	size -= sizeof(head);
	if (!take_text(&body, &size, head.name_len, name) || !name[0] ||
	    !take_text(&body, &size, head.system_name_len, system_name) ||
	    !take_text(&body, &size, head.file_len, file))
		return -EPROTO;
	if (!system_name[0])
		f.system_name = name;
	f.start_line = head.start_line;
	return append_function(a, &f);
}

static int take_address(struct pa_symbolizer_answer *a, const char *body, size_t size)
{
	struct pa_code_line lines[PA_SYMBOLIZE_LINES];
	struct pa_symbolize_address head;

	if (size < sizeof(head) || a->address_count == a->count)
		return -EPROTO;
	a->address_count++;
	memcpy(&head, body, sizeof(head));
	if (head.index >= a->count || head.line_count > PA_SYMBOLIZE_LINES ||
	    size < sizeof(head) + head.line_count * sizeof(struct pa_symbolize_line))
		return -EPROTO;
	for (uint32_t i = 0; i < head.line_count; i++) {
		struct pa_symbolize_line l;

		memcpy(&l, body + sizeof(head) + i * sizeof(l), sizeof(l));
		if (l.function >= a->function_count)
			return -EPROTO;
		if (!a->functions[l.function]) {
			a->dropped++;
			return 0;
		}
		lines[i] = (struct pa_code_line){a->functions[l.function], l.line, l.column};
	}
	/* What does not fit any more has a name only. */
	if (pa_lines_add(a->lines, a->vaddrs[head.index], lines, head.line_count) < 0)
		a->dropped++;
	return 0;
}

/* 1: the answer is whole. */
static int take_reply(struct pa_symbolizer_answer *a, const struct pa_symbolize_reply *head,
		      const char *body)
{
	if (head->magic != PA_SYMBOLIZE_MAGIC || head->id != a->id)
		return -EPROTO;
	if (!a->lines)
		return head->kind == PA_SYMBOLIZE_HELLO ? 1 : -EPROTO;
	switch (head->kind) {
	case PA_SYMBOLIZE_FUNCTION:
		return take_function(a, body, head->size);
	case PA_SYMBOLIZE_ADDRESS:
		return take_address(a, body, head->size);
	case PA_SYMBOLIZE_DONE:
		return 1;
	default:
		return -EPROTO;
	}
}

int pa_symbolizer_answer_take(struct pa_symbolizer_answer *a)
{
	struct pa_symbolize_reply head;
	size_t at = 0;
	int r = 0;

	while (r == 0 && a->in_len - at >= sizeof(head)) {
		memcpy(&head, a->in + at, sizeof(head));
		if (head.size > PA_SYMBOLIZER_REPLY_MAX - sizeof(head) || head.size % 4)
			return -EPROTO;
		if (a->in_len - at < sizeof(head) + head.size)
			break;
		r = take_reply(a, &head, a->in + at + sizeof(head));
		at += sizeof(head) + head.size;
	}
	memmove(a->in, a->in + at, a->in_len - at);
	a->in_len -= at;
	return r;
}
