/* SPDX-License-Identifier: Apache-2.0
 * The compressing sink: header, contents at every size, failures at every byte. */
#include <errno.h>
#include <stdbool.h>

#include "agent/base/arena.h"
#include "agent/base/sink.h"
#include "exporters/gzip.h"
#include "test/tap.h"
#include "test/unit/pprof_read.h"

#define DEFAULT_BUDGET ((size_t)64 << 20)

/* Fails at the byte that does not fit. */
struct limited {
	struct pa_sink sink;
	uint64_t limit;
	unsigned calls_after_error;
	bool failed;
};

static int limited_write(struct pa_sink *s, const void *data, size_t len)
{
	struct limited *l = (struct limited *)s;

	(void)data;
	l->calls_after_error += l->failed;
	l->failed = s->total + len > l->limit;
	return l->failed ? -EPIPE : 0;
}

/* Text that compresses somewhat, and not at all where noise is set. */
static unsigned char *content(size_t len, bool noise)
{
	unsigned char *c = malloc(len + 1);
	uint32_t x = 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		c[i] = (unsigned char)(noise ? x >> 24 : 'a' + (x >> 30));
	}
	return c;
}

static bool round_trip(const unsigned char *data, size_t len, size_t piece)
{
	struct pa_sink_mem mem;
	struct pa_gzip z;
	unsigned char *back;
	size_t back_len;
	bool good;

	pa_sink_mem_init(&mem, (size_t)32 << 20);
	if (pa_gzip_init(&z, PA_GZIP_FASTEST) != 0)
		return false;
	z.out = &mem.sink;
	for (size_t i = 0; i < len; i += piece)
		pa_sink_write(&z.sink, data + i, len - i < piece ? len - i : piece);
	good = pa_gzip_finish(&z) == 0 && z.sink.total == len;
	pa_gzip_done(&z);
	back = read_gunzip(mem.buf, mem.sink.total, &back_len);
	good = good && back_len == len && !memcmp(back, data, len);
	free(back);
	pa_sink_mem_done(&mem);
	return good;
}

static void test_header(int level, unsigned char xfl, const char *name)
{
	const unsigned char want[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, xfl, 0xff};
	struct pa_sink_mem mem;
	struct pa_gzip z;

	pa_sink_mem_init(&mem, 4096);
	is_int(pa_gzip_init(&z, level), 0, "init");
	z.out = &mem.sink;
	pa_sink_puts(&z.sink, "hello");
	is_int(mem.sink.total, 0, "nothing is written early");
	is_int(pa_gzip_finish(&z), 0, "finish");
	ok(mem.sink.total > sizeof(want) && !memcmp(mem.buf, want, sizeof(want)), "%s", name);
	pa_gzip_done(&z);
	pa_sink_mem_done(&mem);
}

static void test_sizes(void)
{
	static const size_t sizes[] = {0,     1,     2,     100,   16383,  16384,
				       16385, 32768, 65536, 65537, 1000000};
	static const size_t pieces[] = {1, 7, 4096, 16384, 16385, 5000000};
	bool good = true;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++) {
			unsigned char *text = content(sizes[i], false);
			unsigned char *noise = content(sizes[i], true);

			good = good && round_trip(text, sizes[i], pieces[j]) &&
			       round_trip(noise, sizes[i], pieces[j]);
			free(text);
			free(noise);
		}
	}
	ok(good, "comes back at every size, written in pieces of every size");
}

static void test_write_errors(void)
{
	const size_t len = 300000;
	unsigned char *noise = content(len, true);
	unsigned failures = 0, late_calls = 0, wrong = 0;
	uint64_t limit = 0;
	int r;

	do {
		struct limited out = {.sink.write = limited_write, .limit = limit};
		struct pa_gzip z;

		if (pa_gzip_init(&z, PA_GZIP_FASTEST) != 0)
			read_fail("init");
		z.out = &out.sink;
		for (size_t i = 0; i < len; i += 1000)
			pa_sink_write(&z.sink, noise + i, 1000);
		r = pa_gzip_finish(&z);
		pa_gzip_done(&z);
		failures += r != 0;
		wrong += r != 0 && r != -EPIPE;
		late_calls += out.calls_after_error;
		limit += limit < 40 ? 1 : 4999;
	} while (r);
	ok(failures > 40, "%u failures of the sink behind it", failures);
	is_int(wrong, 0, "all reported as what they were");
	is_int(late_calls, 0, "and nothing written afterwards");
	is_int(pa_mem_used(), 0, "nothing leaks");
	free(noise);
}

static void test_budget(void)
{
	struct pa_gzip z = {0};
	size_t limit = 0;
	unsigned refused = 0;

	pa_gzip_done(&z);
	for (;; limit += 4096) {
		int r;

		pa_mem_limit_set(limit);
		r = pa_gzip_init(&z, PA_GZIP_FASTEST);
		if (r == 0)
			break;
		refused += r == -ENOMEM && pa_mem_used() == 0;
	}
	is_int(refused, limit / 4096, "over the budget: refused with nothing to free");
	ok(limit < (size_t)512 << 10, "needs %zu KiB", limit >> 10);
	pa_gzip_done(&z);
	is_int(pa_mem_used(), 0, "freed");
	pa_mem_limit_set(DEFAULT_BUDGET);
}

int main(void)
{
	test_header(PA_GZIP_FASTEST, 4, "the header of Go's fastest level");
	test_header(PA_GZIP_DEFAULT, 0, "the header of Go's default level");
	test_sizes();
	test_write_errors();
	test_budget();
	return tap_done();
}
