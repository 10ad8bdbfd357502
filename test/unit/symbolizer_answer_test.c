/* SPDX-License-Identifier: Apache-2.0
 * Answers of profagent-symbolize: whole, in pieces, and such as no program of ours would send. */
#include <errno.h>

#include "agent/base/arena.h"
#include "agent/symbols/lines.h"
#include "agent/symbols/symbolizer_answer.h"
#include "test/tap.h"

static struct pa_symbolizer_answer answer;
static unsigned char stream[256 << 10];
static size_t stream_len;

static void put(const void *data, size_t len)
{
	memcpy(stream + stream_len, data, len);
	stream_len += len;
}

static void put_reply(uint32_t kind, uint32_t id, uint32_t size)
{
	const struct pa_symbolize_reply r = {PA_SYMBOLIZE_MAGIC, kind, id, size};

	put(&r, sizeof(r));
}

static void put_function(const char *name, const char *system_name, const char *file, uint32_t line)
{
	const struct pa_symbolize_function f = {line, (uint32_t)strlen(name),
						(uint32_t)strlen(system_name),
						(uint32_t)strlen(file)};
	const uint32_t text = f.name_len + f.system_name_len + f.file_len, padding = -text & 3;

	put_reply(PA_SYMBOLIZE_FUNCTION, 7, (uint32_t)sizeof(f) + text + padding);
	put(&f, sizeof(f));
	put(name, f.name_len);
	put(system_name, f.system_name_len);
	put(file, f.file_len);
	put("\0\0\0", padding);
}

static void put_address(uint32_t index, uint32_t count, const struct pa_symbolize_line *lines)
{
	const struct pa_symbolize_address a = {index, count};

	put_reply(PA_SYMBOLIZE_ADDRESS, 7, (uint32_t)(sizeof(a) + count * sizeof(*lines)));
	put(&a, sizeof(a));
	put(lines, count * sizeof(*lines));
}

static void begin(struct pa_lines *l)
{
	static const uint64_t vaddrs[] = {0x1000, 0x2000, 0x3000};

	stream_len = 0;
	is_int(pa_symbolizer_answer_begin(&answer, 7, l, vaddrs, 3), 0, "an answer begins");
}

/* Gives the stream in pieces of `step` bytes; the first result that is not 0. */
static int feed(size_t step)
{
	int r = 0;

	for (size_t at = 0; at < stream_len && !r; at += step) {
		size_t n = PA_MIN(step, stream_len - at);

		if (n > sizeof(answer.in) - answer.in_len)
			return -EMSGSIZE;
		memcpy(answer.in + answer.in_len, stream + at, n);
		answer.in_len += n;
		r = pa_symbolizer_answer_take(&answer);
	}
	return r;
}

static void put_good(void)
{
	static const struct pa_symbolize_line lines[] = {{1, 12, 3}, {0, 40, 0}};

	put_function("main", "main", "/src/a.c", 30);
	put_function("ns::f(int)", "_ZN2ns1fEi", "/src/a.h", 10);
	put_address(1, 2, lines);
	put_address(2, 1, lines + 1);
	put_reply(PA_SYMBOLIZE_DONE, 7, 0);
}

static void test_good(size_t step)
{
	struct pa_lines *l = pa_lines_get("key");
	const struct pa_address_lines *found;

	begin(l);
	put_good();
	is_int(feed(step), 1, "it is whole, in pieces of any size");
	ok(!pa_lines_find(l, 0x1000), "an address that is not mentioned");
	found = pa_lines_find(l, 0x2000);
	ok(found && found->count == 2, "two lines");
	is_str(found->lines[0].function->name, "ns::f(int)", "name");
	is_str(found->lines[0].function->system_name, "_ZN2ns1fEi", "linkage name");
	is_str(found->lines[0].function->file, "/src/a.h", "file");
	is_int(found->lines[0].function->start_line, 10, "start");
	is_int(found->lines[0].line, 12, "line");
	is_int(found->lines[0].column, 3, "column");
	is_int(pa_lines_find(l, 0x3000)->count, 1, "the other address");
	pa_symbolizer_answer_end(&answer);
	pa_lines_put(l);
	pa_lines_drop();
	is_int(pa_mem_used(), 0, "no leak");
}

static void test_greeting(void)
{
	is_int(pa_symbolizer_answer_begin(&answer, 0, NULL, NULL, 0), 0, "waits for the greeting");
	stream_len = 0;
	put_reply(PA_SYMBOLIZE_HELLO, 0, 0);
	is_int(feed(3), 1, "which comes");
	pa_symbolizer_answer_end(&answer);
	is_int(pa_symbolizer_answer_begin(&answer, 0, NULL, NULL, 0), 0, "again");
	stream_len = 0;
	put_reply(PA_SYMBOLIZE_DONE, 0, 0);
	is_int(feed(100), -EPROTO, "something else is refused");
	pa_symbolizer_answer_end(&answer);
}

static void refused(const char *what)
{
	is_int(feed(64), -EPROTO, what);
	pa_symbolizer_answer_end(&answer);
}

static void test_bad(void)
{
	static const struct pa_symbolize_line line = {0, 1, 0}, unknown = {1, 1, 0};
	static char long_name[PA_SYMBOLIZE_TEXT + 1];
	struct pa_lines *l = pa_lines_get("key");

	begin(l);
	put_function("", "x", "", 0);
	refused("a function without a name");
	begin(l);
	memset(long_name, 'n', sizeof(long_name) - 1);
	put_function(long_name, "", "", 0);
	refused("a name that is too long");
	begin(l);
	put_function("f", "f", "", 0);
	put_address(3, 1, &line);
	refused("an address that nobody asked for");
	begin(l);
	put_function("f", "f", "", 0);
	put_address(0, 1, &unknown);
	refused("a function that is not defined");
	begin(l);
	put_reply(PA_SYMBOLIZE_DONE, 8, 0);
	refused("the answer to another request");
	begin(l);
	put_reply(PA_SYMBOLIZE_HELLO, 7, 0);
	refused("a greeting in the middle");
	begin(l);
	put_reply(77, 7, 0);
	refused("an unknown kind");
	begin(l);
	put_reply(PA_SYMBOLIZE_FUNCTION, 7, 0xfffffffc);
	refused("an absurd size");
	begin(l);
	put_reply(PA_SYMBOLIZE_FUNCTION, 7, 5);
	refused("an odd size");
	begin(l);
	put_reply(PA_SYMBOLIZE_FUNCTION, 7, 4);
	put("abcd", 4);
	refused("a function cut short");
	begin(l);
	put_reply(PA_SYMBOLIZE_ADDRESS, 7, 8);
	put(&(struct pa_symbolize_address){0, 5}, 8);
	refused("lines that do not come");
	begin(l);
	put_reply(PA_SYMBOLIZE_ADDRESS, 7, 8);
	put(&(struct pa_symbolize_address){0, 0xffffffff}, 8);
	refused("too many lines");
	begin(l);
	put("GARBAGE GARBAGE GARBAGE", 24);
	refused("garbage");
	ok(!pa_lines_find(l, 0x1000), "none of that is kept");
	pa_lines_put(l);
}

static void test_text(void)
{
	static const struct pa_symbolize_line line = {0, 1, 0};
	struct pa_lines *l = pa_lines_get("text");

	begin(l);
	put_function("bad\xff\n", "", "", 0);
	put_address(0, 1, &line);
	put_reply(PA_SYMBOLIZE_DONE, 7, 0);
	is_int(feed(1000), 1, "a name that is not text");
	is_str(pa_lines_find(l, 0x1000)->lines[0].function->name, "bad??", "is made text");
	is_str(pa_lines_find(l, 0x1000)->lines[0].function->system_name, "bad??",
	       "and stands for a missing linkage name");
	pa_symbolizer_answer_end(&answer);
	pa_lines_put(l);
}

/* Any bytes: an error, an end, or a wish for more. */
static void test_noise(void)
{
	struct pa_lines *l = pa_lines_get("noise");
	uint64_t x = 88172645463325252ull;
	unsigned odd = 0;

	for (int round = 0; round < 3000; round++) {
		int r;

		stream_len = 0;
		put_good();
		for (int i = 0; i < 3; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			stream[x % stream_len] ^= (unsigned char)(x >> 32);
		}
		if (pa_symbolizer_answer_begin(&answer, 7, l, (const uint64_t[]){1, 2, 3}, 3) < 0)
			odd++;
		r = feed(1 + x % 97);
		odd += r != 0 && r != 1 && r != -EPROTO;
		pa_symbolizer_answer_end(&answer);
	}
	is_int(odd, 0, "flipped bits lead to an error or an answer");
	pa_lines_put(l);
	pa_lines_drop();
	is_int(pa_mem_used(), 0, "no leak");
}

int main(void)
{
	test_good(1);
	test_good(17);
	test_good(100000);
	test_greeting();
	test_bad();
	test_text();
	test_noise();
	return tap_done();
}
