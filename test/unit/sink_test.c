/* SPDX-License-Identifier: Apache-2.0
 * The bounded writer, its sticky error and the sink into memory. */
#include <errno.h>
#include <unistd.h>

#include "agent/base/arena.h"
#include "agent/base/sink.h"
#include "test/tap.h"

struct failing {
	struct pa_sink sink;
	int calls, fail_at;
};

static int failing_write(struct pa_sink *s, const void *data, size_t len)
{
	struct failing *f = (struct failing *)s;

	(void)data;
	(void)len;
	return ++f->calls == f->fail_at ? -EPIPE : 0;
}

static void test_sticky(void)
{
	struct failing f = {.sink.write = failing_write, .fail_at = 2};

	pa_sink_puts(&f.sink, "abc");
	is_int(f.sink.total, 3, "accepted bytes are counted");
	pa_sink_write(&f.sink, "", 0);
	is_int(f.calls, 1, "nothing is not written");
	pa_sink_puts(&f.sink, "def");
	is_int(f.sink.error, -EPIPE, "the error is kept");
	is_int(f.sink.total, 3, "refused bytes are not counted");
	pa_sink_puts(&f.sink, "ghi");
	pa_sink_printf(&f.sink, "%d", 5);
	is_int(f.calls, 2, "no call after a failure");
	is_int(f.sink.error, -EPIPE, "the first error stays");
}

static void test_mem(void)
{
	struct pa_sink_mem m;
	size_t used = pa_mem_used();

	pa_sink_mem_init(&m, 10);
	pa_sink_puts(&m.sink, "0123");
	pa_sink_puts(&m.sink, "456789");
	is_int(m.sink.error, 0, "max bytes fit");
	ok(m.sink.total == 10 && !memcmp(m.buf, "0123456789", 10), "and are there");
	pa_sink_puts(&m.sink, "x");
	is_int(m.sink.error, -EFBIG, "one more does not");
	is_int(m.sink.total, 10, "nor is it counted");
	pa_sink_mem_done(&m);
	is_int(pa_mem_used(), used, "done frees");
	pa_sink_puts(&m.sink, "again");
	ok(!m.sink.error && m.sink.total == 5, "a sink that is done is empty and can be used");
	pa_sink_mem_done(&m);

	pa_sink_mem_init(&m, SIZE_MAX);
	for (int i = 0; i < 20000; i++)
		pa_sink_puts(&m.sink, "abcde");
	is_int(m.sink.total, 100000, "grows");
	ok(!memcmp(m.buf, "abcdeabcde", 10) && !memcmp(m.buf + 99995, "abcde", 5),
	   "and keeps what it has");
	pa_sink_mem_done(&m);
}

static void test_printf(void)
{
	struct pa_sink_mem m;
	static char big[5000];

	memset(big, 'b', sizeof(big) - 1);
	pa_sink_mem_init(&m, 1 << 20);
	pa_sink_printf(&m.sink, "%s-%d;", "x", 7);
	ok(m.sink.total == 4 && !memcmp(m.buf, "x-7;", 4), "formats");
	pa_sink_printf(&m.sink, "<%.*s>", 1021, big);
	is_int(m.sink.total, 4 + 1023, "the longest that fits the stack buffer");
	pa_sink_printf(&m.sink, "<%.*s>", 1022, big);
	is_int(m.sink.total, 4 + 1023 + 1024, "one byte longer");
	pa_sink_printf(&m.sink, "[%s]", big);
	is_int(m.sink.total, 4 + 1023 + 1024 + 5001, "much longer");
	is_int(m.buf[m.sink.total - 1], ']', "nothing is cut");
	is_int(m.sink.error, 0, "without an error");
	pa_sink_mem_done(&m);
}

static void test_budget(void)
{
	struct pa_sink_mem m;
	static char big[100000];

	memset(big, 'b', sizeof(big) - 1);
	pa_sink_mem_init(&m, 1 << 20);
	pa_sink_puts(&m.sink, "kept");
	pa_mem_limit_set(pa_mem_used());
	pa_sink_write(&m.sink, big, sizeof(big));
	is_int(m.sink.error, -ENOMEM, "no memory is an error");
	ok(m.sink.total == 4 && !memcmp(m.buf, "kept", 4), "what was there is untouched");
	pa_sink_mem_done(&m);

	pa_mem_limit_set((size_t)sysconf(_SC_PAGESIZE));
	pa_sink_puts(&m.sink, "kept");
	pa_sink_printf(&m.sink, "%s", big);
	is_int(m.sink.error, -ENOMEM, "no memory for a long text is one, too");
	is_int(m.sink.total, 4, "and nothing of it was written");
	pa_sink_mem_done(&m);
}

int main(void)
{
	test_sticky();
	test_mem();
	test_printf();
	test_budget();
	return tap_done();
}
