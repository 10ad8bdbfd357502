/* SPDX-License-Identifier: Apache-2.0
 * Bounded writers with a sticky error, and the one that writes into memory. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/fmt.h"
#include "agent/base/sink.h"

void pa_sink_write(struct pa_sink *s, const void *data, size_t len)
{
	int r;

	if (s->error || !len)
		return;
	r = s->write(s, data, len);
	if (r < 0)
		s->error = r;
	else
		s->total += len;
}

void pa_sink_puts(struct pa_sink *s, const char *str)
{
	pa_sink_write(s, str, strlen(str));
}

/* What does not fit the stack buffer: rare, so formatted a second time into pages. */
static void printf_long(struct pa_sink *s, size_t len, const char *fmt, va_list ap)
{
	char *text = pa_pages_alloc(len + 1);

	if (!text) {
		s->error = -ENOMEM;
		return;
	}
	pa_vfmt(text, len + 1, fmt, ap);
	pa_sink_write(s, text, len);
	pa_pages_free(text, len + 1);
}

void pa_sink_printf(struct pa_sink *s, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	size_t len;

	if (s->error)
		return;
	va_start(ap, fmt);
	len = pa_vfmt(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len < sizeof(text)) {
		pa_sink_write(s, text, len);
		return;
	}
	va_start(ap, fmt);
	printf_long(s, len, fmt, ap);
	va_end(ap);
}

static int mem_write(struct pa_sink *s, const void *data, size_t len)
{
	struct pa_sink_mem *m = (struct pa_sink_mem *)s;
	size_t used = s->total;
	void *buf = m->buf;
	int r;

	if (used > m->max || len > m->max - used)
		return -EFBIG;
	r = pa_pages_grow(&buf, &m->cap, used + len);
	if (r < 0)
		return r;
	m->buf = buf;
	memcpy(m->buf + used, data, len);
	return 0;
}

void pa_sink_mem_init(struct pa_sink_mem *m, size_t max)
{
	*m = (struct pa_sink_mem){.sink.write = mem_write, .max = max};
}

void pa_sink_mem_done(struct pa_sink_mem *m)
{
	pa_pages_free(m->buf, m->cap);
	pa_sink_mem_init(m, m->max);
}
