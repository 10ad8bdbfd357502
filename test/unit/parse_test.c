/* SPDX-License-Identifier: Apache-2.0
 * Numbers, switches and globs, at their limits and on nonsense. */
#include <errno.h>

#include "agent/base/clock.h"
#include "agent/base/compiler.h"
#include "agent/base/parse.h"
#include "test/tap.h"

#define UNTOUCHED 4711

static void test_u64(void)
{
	static const struct {
		const char *text;
		unsigned base;
		int want;
		uint64_t value;
	} rows[] = {
		{"0", 10, 0, 0},
		{"00", 10, 0, 0},
		{"42", 10, 0, 42},
		{"18446744073709551615", 10, 0, UINT64_MAX},
		{"000018446744073709551615", 10, 0, UINT64_MAX},
		{"18446744073709551616", 10, -ERANGE, 0},
		{"18446744073709551620", 10, -ERANGE, 0},
		{"184467440737095516150", 10, -ERANGE, 0},
		{"99999999999999999999999999999999999999999", 10, -ERANGE, 0},
		{"99999999999999999999999999999999999999999x", 10, -EINVAL, 0},
		{"ffffffffffffffff", 16, 0, UINT64_MAX},
		{"FfFf", 16, 0, 65535},
		{"10000000000000000", 16, -ERANGE, 0},
		{"0x10", 16, -EINVAL, 0},
		{"12g", 16, -EINVAL, 0},
		{"777", 8, 0, 511},
		{"8", 8, -EINVAL, 0},
		{"", 10, -EINVAL, 0},
		{"-1", 10, -EINVAL, 0},
		{"+1", 10, -EINVAL, 0},
		{" 1", 10, -EINVAL, 0},
		{"1 ", 10, -EINVAL, 0},
		{"1.5", 10, -EINVAL, 0},
		{"a", 10, -EINVAL, 0},
		{"\xb2", 10, -EINVAL, 0},
	};

	for (size_t i = 0; i < PA_ARRAY_LEN(rows); i++) {
		uint64_t value = UNTOUCHED;
		int r = pa_parse_u64(rows[i].text, strlen(rows[i].text), rows[i].base, &value);

		ok(r == rows[i].want && value == (r ? UNTOUCHED : rows[i].value),
		   "u64 \"%s\" base %u", rows[i].text, rows[i].base);
	}
}

static void test_i64(void)
{
	static const struct {
		const char *text;
		int want;
		int64_t value;
	} rows[] = {
		{"0", 0, 0},
		{"-0", 0, 0},
		{"+7", 0, 7},
		{"-7", 0, -7},
		{"9223372036854775807", 0, INT64_MAX},
		{"9223372036854775808", -ERANGE, 0},
		{"-9223372036854775808", 0, INT64_MIN},
		{"-9223372036854775809", -ERANGE, 0},
		{"-18446744073709551616", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"-", -EINVAL, 0},
		{"+", -EINVAL, 0},
		{"--1", -EINVAL, 0},
		{"+-1", -EINVAL, 0},
		{"1-", -EINVAL, 0},
	};

	for (size_t i = 0; i < PA_ARRAY_LEN(rows); i++) {
		int64_t value = UNTOUCHED;
		int r = pa_parse_i64(rows[i].text, strlen(rows[i].text), &value);

		ok(r == rows[i].want && value == (r ? UNTOUCHED : rows[i].value), "i64 \"%s\"",
		   rows[i].text);
	}
}

static void test_size(void)
{
	static const struct {
		const char *text;
		int want;
		uint64_t value;
	} rows[] = {
		{"0", 0, 0},
		{"1", 0, 1},
		{"64m", 0, 64 << 20},
		{"64M", 0, 64 << 20},
		{"3k", 0, 3 << 10},
		{"2G", 0, 2ull << 30},
		{"17179869183g", 0, 17179869183ull << 30},
		{"17179869184g", -ERANGE, 0},
		{"18446744073709551616k", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"m", -EINVAL, 0},
		{"1mm", -EINVAL, 0},
		{"1mb", -EINVAL, 0},
		{"-1m", -EINVAL, 0},
		{"1 m", -EINVAL, 0},
		{"1t", -EINVAL, 0},
		{"1-", -EINVAL, 0},
		{"1\r", -EINVAL, 0},
		{"1K", 0, 1024},
		{"1\x0b", -EINVAL, 0},
	};

	for (size_t i = 0; i < PA_ARRAY_LEN(rows); i++) {
		uint64_t value = UNTOUCHED;
		int r = pa_parse_size(rows[i].text, strlen(rows[i].text), &value);

		ok(r == rows[i].want && value == (r ? UNTOUCHED : rows[i].value), "size \"%s\"",
		   rows[i].text);
	}
}

static void test_bool(void)
{
	static const char *const yes[] = {"1", "t", "T", "true", "True", "TRUE", "yes", "on", "On"};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "no", "NO", "off"};
	static const char *const bad[] = {"", "2", "tr", "truee", "y", "enabled", "0 ", "\x11"};
	bool value;

	for (size_t i = 0; i < PA_ARRAY_LEN(yes); i++) {
		value = false;
		ok(pa_parse_bool(yes[i], strlen(yes[i]), &value) == 0 && value, "\"%s\"", yes[i]);
	}
	for (size_t i = 0; i < PA_ARRAY_LEN(no); i++) {
		value = true;
		ok(pa_parse_bool(no[i], strlen(no[i]), &value) == 0 && !value, "\"%s\"", no[i]);
	}
	for (size_t i = 0; i < PA_ARRAY_LEN(bad); i++) {
		value = true;
		ok(pa_parse_bool(bad[i], strlen(bad[i]), &value) == -EINVAL && value,
		   "bad boolean \"%s\"", bad[i]);
	}
	ok(pa_parse_bool("true", 1, &value) == 0 && pa_parse_bool("10", 1, &value) == 0 && value,
	   "only len bytes count");
}

static void test_scan(void)
{
	const char *text = "7f12-0Ax99999999999999999999z";
	const char *s = text, *end = text + strlen(text);
	uint64_t value = UNTOUCHED;

	ok(pa_scan_u64(&s, end, 16, &value) && value == 0x7f12 && s == text + 4, "scans hex");
	ok(!pa_scan_u64(&s, end, 16, &value) && s == text + 4, "stays where there is no digit");
	is_int(value, 0x7f12, "and leaves the value");
	s = text + 5;
	ok(pa_scan_u64(&s, end, 10, &value) && !value && s == text + 6, "stops at a wrong digit");
	ok(pa_scan_u64(&s, end, 16, &value) && value == 10 && s == text + 7, "goes on from there");
	s = text + 8;
	ok(!pa_scan_u64(&s, end, 10, &value) && s == text + 8, "a number that does not fit");
	s = text;
	ok(pa_scan_u64(&s, text + 2, 16, &value) && value == 0x7f && s == text + 2,
	   "nothing past the end is read");
	ok(!pa_scan_u64(&s, s, 16, &value), "no text, no number");
}

static void test_glob(void)
{
	static const struct {
		const char *glob, *name;
		bool want;
	} rows[] = {
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"***", "anything", true},
		{"redis*", "redis-server", true},
		{"redis*", "redis", true},
		{"redis*", "xredis", false},
		{"*server", "redis-server", true},
		{"*server", "redis-servers", false},
		{"*s*r*", "redis-server", true},
		{"a*b*c", "aXbXbc", true},
		{"a*b*c", "aXbXb", false},
		{"?", "", false},
		{"?", "x", true},
		{"??", "x", false},
		{"a?c", "abc", true},
		{"python3.[0-9]", "python3.9", true},
		{"python3.[0-9]*", "python3.11", true},
		{"python3.[0-9]", "python3.x", false},
		{"[abc]", "b", true},
		{"[abc]", "d", false},
		{"[!abc]", "d", true},
		{"[!abc]", "a", false},
		{"[^a-c]x", "dx", true},
		{"[^a-c]x", "bx", false},
		{"[]a]", "]", true},
		{"[!]a]", "]", false},
		{"[!]a]", "b", true},
		{"[a-]", "-", true},
		{"[a-]", "b", false},
		{"[-a]", "-", true},
		{"[*]", "*", true},
		{"[*]", "x", false},
		{"[\xe0-\xff]", "\xe4", true},
		{"[", "[", true},
		{"[abc", "[abc", true},
		{"[abc", "a", false},
		{"x[", "x[", true},
		{"[]", "[]", true},
		{"[!", "[!", true},
		{"*[0-9]", "a1b2", true},
		{"*[0-9]", "a1b", false},
		{"a\\*", "a\\b", true},
	};

	for (size_t i = 0; i < PA_ARRAY_LEN(rows); i++)
		ok(pa_glob_match(rows[i].glob, strlen(rows[i].glob), rows[i].name) == rows[i].want,
		   "glob \"%s\" %s \"%s\"", rows[i].glob, rows[i].want ? "matches" : "not",
		   rows[i].name);
	ok(pa_glob_match("abc*", 3, "abc") && !pa_glob_match("abc*", 3, "abcd") &&
		   !pa_glob_match("[ab]", 3, "a"),
	   "only len bytes of the glob count");
}

/* Backtracking over all stars would take longer than the universe has existed. */
static void test_glob_time(void)
{
	static char name[4001], glob[2002];
	uint64_t start = pa_clock_mono();

	memset(name, 'a', sizeof(name) - 1);
	for (size_t i = 0; i + 1 < sizeof(glob); i += 2) {
		glob[i] = 'a';
		glob[i + 1] = '*';
	}
	glob[sizeof(glob) - 2] = 'b';
	ok(!pa_glob_match(glob, sizeof(glob) - 1, name), "a thousand stars that do not match");
	ok(pa_clock_mono() - start < 5 * PA_NS_PER_S, "in little time");
}

int main(void)
{
	test_u64();
	test_i64();
	test_size();
	test_bool();
	test_scan();
	test_glob();
	test_glob_time();
	return tap_done();
}
