/* SPDX-License-Identifier: Apache-2.0
 * Query parameters as Go's url.ParseQuery and strconv.ParseInt see them. */
#include "test/tap.h"

#include "agent/http/parse.h"

#define ABSENT NULL

static const struct {
	const char *query, *key, *value;
} table[] = {
	{"", "a", ABSENT},
	{"a=1", "a", "1"},
	{"a", "a", ""},
	{"a=", "a", ""},
	{"b=2&a=1", "a", "1"},
	{"a=1&a=2", "a", "1"},
	{"aa=1", "a", ABSENT},
	{"a=1", "aa", ABSENT},
	{"&&a=1&&", "a", "1"},
	{"=1", "", "1"},
	{"=1", "a", ABSENT},
	{"a=b=c", "a", "b=c"},
	{"a=x+y", "a", "x y"},
	{"a=%41%62", "a", "Ab"},
	{"%61=1", "a", "1"},
	{"a%3D=1", "a=", "1"},
	{"a+b=1", "a b", "1"},
	{"a=%zz", "a", ABSENT},
	{"a=%4", "a", ABSENT},
	{"a=%", "a", ABSENT},
	{"%=1&a=2", "a", "2"},
	{"a=%zz&a=3", "a", "3"},
	{"a=1;b=2", "a", ABSENT},
	{"a=1;b=2&a=3", "a", "3"},
	{"a;=1", "a", ABSENT},
	{"a=%3B", "a", ";"},
	{"a=%26", "a", "&"},
	{"A=1", "a", ABSENT},
	{"a=\xc3\xa9", "a", "\xc3\xa9"},
};

static const struct {
	const char *query;
	bool good;
	long long value;
} ints[] = {
	{"s=5", true, 5},
	{"s=0", true, 0},
	{"s=-1", true, -1},
	{"s=%2B7", true, 7},
	{"s=007", true, 7},
	{"s=9223372036854775807", true, INT64_MAX},
	{"s=-9223372036854775808", true, INT64_MIN},
	{"s=1&s=2", true, 1},
	{"s=9223372036854775808", false, 0},
	{"s=+7", false, 0}, /* a blank and a 7 */
	{"s=", false, 0},
	{"s", false, 0},
	{"", false, 0},
	{"s=1.5", false, 0},
	{"s=0x5", false, 0},
	{"s=1_0", false, 0},
	{"s=abc", false, 0},
	{"s=5%00", false, 0},
	{"s=-", false, 0},
	{"s=5;t=1", false, 0},
};

int main(void)
{
	struct pa_http_req req = {.raw_query = "a=abcdef"};
	char buf[32], small[4];
	int64_t value = 77;

	for (size_t i = 0; i < PA_ARRAY_LEN(table); i++) {
		bool found;

		req.raw_query = table[i].query;
		found = pa_http_query(&req, table[i].key, buf, sizeof(buf));
		is_int(found, table[i].value != ABSENT, table[i].query);
		if (found && table[i].value)
			is_str(buf, table[i].value, "... decoded");
	}
	for (size_t i = 0; i < PA_ARRAY_LEN(ints); i++) {
		bool good;

		req.raw_query = ints[i].query;
		value = 77;
		good = pa_http_query_int(&req, "s", &value);
		is_int(good, ints[i].good, ints[i].query);
		is_int(value, good ? ints[i].value : 77, "... value, untouched when there is none");
	}
	req.raw_query = "a=abcdef";
	ok(pa_http_query(&req, "a", small, sizeof(small)), "longer than the buffer");
	is_str(small, "abc", "... is cut");
	is_int(pa_http_unescape("a%2fb+c", 7, false, buf), 5, "a path keeps its plus");
	is_str(buf, "a/b+c", "... and loses its escapes");
	is_int(pa_http_unescape("a%2", 3, false, buf), -1, "half an escape");
	return tap_done();
}
