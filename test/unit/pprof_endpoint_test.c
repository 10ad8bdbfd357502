/* SPDX-License-Identifier: Apache-2.0
 * /profile: parameters, headers and errors, with a made-up server and a made-up collector. */
#include <errno.h>
#include <stdbool.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/sink.h"
#include "agent/core/collector.h"
#include "agent/core/config.h"
#include "agent/core/exporter.h"
#include "agent/core/profile.h"
#include "agent/core/registry.h"
#include "agent/http/http.h"
#include "agent/symbols/symbols.h"
#include "exporters/pprof.h"
#include "test/tap.h"
#include "test/unit/pprof_read.h"

#define SECOND 1000000000ull

extern const struct pa_exporter pa_exporter_pprof;

/* --- the server --- */

struct pa_http_resp {
	int status;
	char headers[512], text[512];
	bool go_error, body_begun, gone;
	struct pa_sink_mem body;
};

static struct pa_http_resp resp;

void pa_http_header(struct pa_http_resp *r, const char *name, const char *value)
{
	size_t n = strlen(r->headers);

	snprintf(r->headers + n, sizeof(r->headers) - n, "%s: %s\n", name, value);
}

struct pa_sink *pa_http_body(struct pa_http_resp *r)
{
	r->body_begun = true;
	return &r->body.sink;
}

void pa_http_error(struct pa_http_resp *r, int status, const char *text)
{
	r->status = status;
	r->go_error = true;
	snprintf(r->text, sizeof(r->text), "%s", text);
}

bool pa_http_client_gone(void *r)
{
	return ((struct pa_http_resp *)r)->gone;
}

/* --- the settings, the collector, the symbols --- */

static struct pa_config config = {.max_seconds = 300, .symbolize = "lines"};

const struct pa_config *pa_config(void)
{
	return &config;
}

static struct pa_window window;
static int collect_result;
static const char *collect_text;
static bool registered = true, leave_during_window;
static unsigned collected;
static uint64_t profile_duration;

static int collect(struct pa_window *w, struct pa_profile **ret, char *error)
{
	static const uint64_t frame = 0x1000;
	static const int64_t values[] = {2, 20000000};

	collected++;
	window = *w;
	if (leave_during_window)
		resp.gone = true;
	if (resp.body_begun || resp.headers[0])
		read_fail("something was sent before the window was over");
	if (collect_text)
		snprintf(error, PA_COLLECT_ERROR_MAX, "%s", collect_text);
	if (collect_result < 0)
		return collect_result;
	*ret = pa_profile_new("profile");
	if (!*ret)
		return -ENOMEM;
	(*ret)->types[0] = (struct pa_value_type){"samples", "count"};
	(*ret)->types[1] = (struct pa_value_type){"cpu", "nanoseconds"};
	(*ret)->type_count = 2;
	(*ret)->duration_ns = profile_duration;
	pa_profile_add(*ret, &frame, 1, values);
	return 0;
}

static const struct pa_collector collector = {.name = "profile", .collect = collect};

const struct pa_collector *pa_registry_find(const char *name, size_t len)
{
	return registered && len == 7 && !memcmp(name, "profile", 7) ? &collector : NULL;
}

static const struct pa_mapping mapping = {0x1000, 0x2000, 0, "/bin/t", ""};

int pa_symbols_open(struct pa_symbols **ret)
{
	*ret = (struct pa_symbols *)&resp; /* any address */
	return 0;
}

void pa_symbols_close(struct pa_symbols *s)
{
	(void)s;
}

const struct pa_mapping *pa_symbols_mappings(const struct pa_symbols *s, size_t *ret_count)
{
	(void)s;
	*ret_count = 1;
	return &mapping;
}

size_t pa_symbols_mapping(struct pa_symbols *s, uint64_t addr)
{
	size_t count;
	const struct pa_mapping *m = pa_symbols_mappings(s, &count);

	for (size_t i = 0; i < count; i++)
		if (addr >= m[i].start && addr < m[i].limit)
			return i;
	return PA_NO_MAPPING;
}

void pa_symbols_resolve(struct pa_symbols *s, uint64_t addr, struct pa_symbol *ret)
{
	(void)s;
	(void)addr;
	*ret = (struct pa_symbol){.name = "main", .system_name = "main", .known = true};
}

static uint64_t budget; /* for lines; 0: they were not asked for */

int pa_symbols_load_lines(struct pa_symbols *s, const uint64_t *addrs, size_t count,
			  uint64_t deadline, size_t *ret_missing)
{
	(void)s;
	(void)addrs;
	(void)count;
	(void)ret_missing;
	budget = deadline - pa_clock_mono();
	return 0;
}

size_t pa_symbols_lines(struct pa_symbols *s, uint64_t addr, struct pa_symbol *symbol,
			struct pa_line ret[PA_SYMBOLS_LINES])
{
	(void)s;
	(void)addr;
	ret[0] = (struct pa_line){symbol->name, symbol->name, "/src/t.c", 3, 0, 1};
	return 1;
}

bool pa_symbols_is_agent(uint64_t addr)
{
	(void)addr;
	return false;
}

/* --- helpers --- */

static void get(const char *query)
{
	struct pa_http_req req = {.path = "/profile", .raw_query = query};
	bool gone = resp.gone;

	pa_sink_mem_done(&resp.body);
	resp = (struct pa_http_resp){.gone = gone};
	pa_sink_mem_init(&resp.body, 1 << 20);
	pa_exporter_pprof.routes[0].handle(&req, &resp);
}

static void seconds_are(const char *query, uint64_t seconds)
{
	unsigned before = collected;

	get(query);
	ok(collected == before + 1 && window.duration_ns == seconds * SECOND && !resp.status,
	   "\"%s\" takes %d s", query, (int)seconds);
}

static void refused(const char *query, const char *text)
{
	unsigned before = collected;

	get(query);
	ok(resp.status == 400 && resp.go_error && collected == before, "\"%s\" is refused", query);
	is_str(resp.text, text, "with a text");
}

/* --- tests --- */

static void test_route(void)
{
	is_str(pa_exporter_pprof.routes[0].path, "/profile", "the route");
	is_int(pa_exporter_pprof.routes[0].flags, 0, "this very path, GET and HEAD only");
	ok(!pa_exporter_pprof.routes[1].path, "and no other");
}

static void test_answer(void)
{
	struct read_profile *r;

	get("seconds=1");
	is_str(resp.headers,
	       "Content-Type: application/octet-stream\n"
	       "Content-Disposition: attachment; filename=\"profile\"\n"
	       "X-Content-Type-Options: nosniff\n",
	       "headers as Go's");
	is_int(resp.status, 0, "200");
	r = read_profile(resp.body.buf, resp.body.sink.total);
	is_int(r->sample_count, 1, "a profile");
	is_str(read_frame(r, 0, 0), "main", "with names");
	read_profile_free(r);
	ok(window.cancelled == pa_http_client_gone && window.arg == &resp,
	   "the window watches the client");
}

/* What the one location of the answer has. */
static void symbolized(const char *query, const char *frame, size_t lines, bool line_numbers)
{
	struct read_profile *r;

	budget = 0;
	get(query);
	r = read_profile(resp.body.buf, resp.body.sink.total);
	is_str(read_frame(r, 0, 0), frame, query);
	is_int(r->locations[0].lines, lines, "lines of its location");
	ok((r->locations[0].line[0].line == 3) == line_numbers, "their numbers");
	ok((budget != 0) == line_numbers, "for which others were asked");
	read_profile_free(r);
}

static void test_symbolize(void)
{
	symbolized("seconds=1", "main", 1, true);
	symbolized("seconds=1&symbolize=0", "", 0, false);
	symbolized("seconds=1&symbolize=none", "", 0, false);
	symbolized("seconds=1&symbolize=names", "main", 1, false);
	symbolized("seconds=1&symbolize=lines", "main", 1, true);
	symbolized("seconds=1&symbolize=1&debug=1", "main", 1, true);
	config.symbolize = "names";
	symbolized("seconds=1", "main", 1, false);
	symbolized("seconds=1&symbolize=lines", "main", 1, true);
	config.symbolize = "lines";
	refused("symbolize=yes", "invalid value for \"symbolize\" - must be none, names or lines");
	refused("symbolize=", "invalid value for \"symbolize\" - must be none, names or lines");
	refused("symbolize=linesandmore",
		"invalid value for \"symbolize\" - must be none, names or lines");
}

static void budget_is(uint64_t duration, uint64_t want)
{
	profile_duration = duration;
	budget = 0;
	get("seconds=1");
	ok(budget <= want && budget + SECOND / 5 > want, "%.2f s for lines of a window of %.1f s",
	   (double)want / 1e9, (double)duration / 1e9);
	profile_duration = 0;
}

/* go tool pprof gives up after half as long again as the window. */
static void test_budget(void)
{
	budget_is(0, 5 * SECOND);
	budget_is(SECOND / 10, SECOND / 4);
	budget_is(SECOND, SECOND / 5 * 2);
	budget_is(5 * SECOND, 2 * SECOND);
	budget_is(300 * SECOND, 5 * SECOND);
}

static void test_seconds(void)
{
	static const char too_long[] =
		"invalid value for \"seconds\" - must not exceed 300 (PPROF_MAX_SECONDS)";

	seconds_are("", 30);
	seconds_are("seconds=", 30);
	seconds_are("seconds=abc", 30);
	seconds_are("seconds=0", 30);
	seconds_are("seconds=-1", 30);
	seconds_are("seconds=0.5", 30);
	seconds_are("seconds=0x5", 30);
	seconds_are("seconds=99999999999999999999", 30);
	seconds_are("seconds=5", 5);
	seconds_are("seconds=300", 300);
	seconds_are("seconds=2&seconds=7", 2);
	refused("seconds=301", too_long);
	refused("seconds=9223372036854775807", too_long);
	config.max_seconds = 10;
	seconds_are("", 10);
	seconds_are("seconds=0", 10);
	refused("seconds=11",
		"invalid value for \"seconds\" - must not exceed 10 (PPROF_MAX_SECONDS)");
	config.max_seconds = 300;
}

static void test_rate(void)
{
	static const char bad[] = "invalid value for \"hz\" - must be an integer from 1 to 10000";

	get("seconds=1");
	is_int(window.hz, 0, "no rate asked for");
	get("seconds=1&hz=250");
	is_int(window.hz, 250, "hz=250");
	get("seconds=1&rate=10000");
	is_int(window.hz, 10000, "rate=10000");
	refused("seconds=1&hz=0", bad);
	refused("seconds=1&hz=10001", bad);
	refused("seconds=1&hz=", bad);
	refused("seconds=1&hz=-5", bad);
	refused("seconds=1&hz=1e3", bad);
	refused("seconds=1&rate=x",
		"invalid value for \"rate\" - must be an integer from 1 to 10000");
}

static void failed(int result, const char *text, const char *want)
{
	collect_result = result;
	collect_text = text;
	get("seconds=1");
	is_int(resp.status, 500, "500");
	is_str(resp.text, want, "with a reason");
	ok(resp.go_error && !resp.body_begun && !resp.headers[0], "and nothing else");
	collect_result = 0;
	collect_text = NULL;
}

static void test_failures(void)
{
	failed(-EBUSY, NULL, "Could not enable CPU profiling: cpu profiling already in use");
	failed(-EBUSY, "x", "Could not enable CPU profiling: cpu profiling already in use");
	failed(-EINVAL, "1000 Hz needs the perf engine",
	       "Could not enable CPU profiling: 1000 Hz needs the perf engine");
	failed(-EAGAIN, NULL,
	       "Could not enable CPU profiling: EAGAIN (resource temporarily unavailable)");
	registered = false;
	failed(0, NULL, "Could not enable CPU profiling: the collector could not be started");
	registered = true;

	leave_during_window = true;
	get("seconds=1");
	ok(!resp.status && !resp.body_begun, "a client that has left gets nothing");
	leave_during_window = resp.gone = false;
	is_int(pa_mem_used() - resp.body.cap, 0, "and leaves nothing behind");
}

static void test_memory(void)
{
	struct pa_profile *p = pa_profile_new("heap");
	const struct pa_pprof_options options = {.symbolize = PA_PPROF_SYMBOLIZE_NAMES};

	if (!p)
		read_fail("no profile");
	resp = (struct pa_http_resp){0};
	pa_mem_limit_set(pa_mem_used() + 65536);
	pa_pprof_respond(&resp, p, &options, "heap");
	is_int(resp.status, 500, "no memory to encode: 500");
	is_str(resp.text,
	       "failed to encode profile: ENOMEM (out of memory); PPROF_MEMORY_LIMIT is used up",
	       "that names the limit");
	ok(!resp.body_begun && !resp.headers[0], "instead of half a profile");
	pa_mem_limit_set((size_t)64 << 20);

	resp = (struct pa_http_resp){0};
	pa_sink_mem_init(&resp.body, 20);
	pa_pprof_respond(&resp, p, &options, "heap-delta");
	is_int(resp.body.sink.error, -EFBIG, "an error of the connection stays set");
	ok(strstr(resp.headers, "filename=\"heap-delta\""), "the file name is the caller's");
	pa_sink_mem_done(&resp.body);
	pa_profile_free(p);
	is_int(pa_mem_used(), 0, "no leak");
}

int main(void)
{
	test_route();
	test_answer();
	test_symbolize();
	test_budget();
	test_seconds();
	test_rate();
	test_failures();
	pa_sink_mem_done(&resp.body);
	test_memory();
	return tap_done();
}
