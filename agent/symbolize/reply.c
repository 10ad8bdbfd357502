/* SPDX-License-Identifier: Apache-2.0
 * Writing replies. */
#include "agent/symbolize/reply.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/compiler.h"
#include "agent/symbolize/protocol.h"

#define REPLY_MAX ((size_t)256 << 20) /* all that is not sent yet */

static void put(struct pa_dbg_reply *r, const void *bytes, size_t size)
{
	if (r->failed)
		return;
	if (r->cap - r->len < size) {
		size_t cap = PA_MAX(r->cap * 2, r->len + size + 4096);
		void *bigger = cap <= REPLY_MAX ? realloc(r->buf, cap) : NULL;

		if (!bigger) {
			r->failed = true;
			return;
		}
		r->buf = bigger;
		r->cap = cap;
	}
	memcpy(r->buf + r->len, bytes, size);
	r->len += size;
}

static void put_head(struct pa_dbg_reply *r, uint32_t kind, size_t size)
{
	const struct pa_symbolize_reply head = {
		.magic = PA_SYMBOLIZE_MAGIC,
		.kind = kind,
		.id = r->id,
		.size = (uint32_t)size,
	};

	put(r, &head, sizeof(head));
}

void pa_dbg_reply_simple(struct pa_dbg_reply *r, uint32_t kind)
{
	put_head(r, kind, 0);
}

static void put_function(struct pa_dbg_reply *r, const struct pa_dbg_function *f)
{
	const struct pa_symbolize_function head = {
		.start_line = f->start_line,
		.name_len = (uint32_t)strnlen(f->name, PA_SYMBOLIZE_TEXT - 1),
		.system_name_len = (uint32_t)strnlen(f->system_name, PA_SYMBOLIZE_TEXT - 1),
		.file_len = (uint32_t)strnlen(f->file, PA_SYMBOLIZE_TEXT - 1),
	};
	size_t texts = head.name_len + head.system_name_len + head.file_len;
	size_t padding = (4 - texts % 4) % 4;

	put_head(r, PA_SYMBOLIZE_FUNCTION, sizeof(head) + texts + padding);
	put(r, &head, sizeof(head));
	put(r, f->name, head.name_len);
	put(r, f->system_name, head.system_name_len);
	put(r, f->file, head.file_len);
	put(r, "\0\0\0", padding);
}

void pa_dbg_reply_address(struct pa_dbg_reply *r, size_t index, const struct pa_dbg_frame *frames,
			  size_t count)
{
	const struct pa_symbolize_address head = {(uint32_t)index, (uint32_t)count};

	for (size_t i = 0; i < count; i++) {
		if (frames[i].function->number >= r->function_count) {
			put_function(r, frames[i].function);
			r->function_count++;
		}
	}
	put_head(r, PA_SYMBOLIZE_ADDRESS, sizeof(head) + count * sizeof(struct pa_symbolize_line));
	put(r, &head, sizeof(head));
	for (size_t i = 0; i < count; i++) {
		const struct pa_symbolize_line line = {frames[i].function->number, frames[i].line,
						       frames[i].column};

		put(r, &line, sizeof(line));
	}
}

void pa_dbg_reply_flush(struct pa_dbg_reply *r)
{
	while (!r->failed && r->sent < r->len) {
		ssize_t n = send(r->socket, r->buf + r->sent, r->len - r->sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			r->sent += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			return;
		else if (n == 0 || errno != EINTR)
			r->failed = true;
	}
	r->sent = r->len = 0;
}

void pa_dbg_reply_finish(struct pa_dbg_reply *r, unsigned seconds)
{
	struct pollfd p = {.fd = r->socket, .events = POLLOUT};

	for (;;) {
		pa_dbg_reply_flush(r);
		if (r->failed || r->sent == r->len)
			return;
		if (poll(&p, 1, (int)seconds * 1000) == 0)
			r->failed = true;
	}
}
