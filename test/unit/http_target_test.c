/* SPDX-License-Identifier: Apache-2.0
 * Request targets: parts, clean paths (the cases of Go's path.Clean), prefixes, Location. */
#include "test/tap.h"

#include "agent/http/parse.h"

static struct pa_http_text text(const char *s)
{
	return (struct pa_http_text){s, strlen(s)};
}

static const struct {
	const char *target;
	bool connect, good;
	const char *authority, *path, *query;
} targets[] = {
	{"/", false, true, "", "/", ""},
	{"/a?b=c", false, true, "", "/a", "b=c"},
	{"/a?b?c", false, true, "", "/a", "b?c"},
	{"/?", false, true, "", "/", ""},
	{"//a/b", false, true, "", "//a/b", ""},
	{"*", false, true, "", "", ""},
	{"http://h:1/a?b", false, true, "h:1", "/a", "b"},
	{"HTTP://u:p@h/a", false, true, "h", "/a", ""},
	{"https://h", false, true, "h", "", ""},
	{"http://h?q", false, true, "h", "", "q"},
	{"http://h/@x", false, true, "h", "/@x", ""},
	{"h:443", true, true, "h:443", "", ""},
	{"/a%2Fb", false, true, "", "/a%2Fb", ""},
	{"/a?%zz", false, true, "", "/a", "%zz"},
	{"", false, false, NULL, NULL, NULL},
	{"a", false, false, NULL, NULL, NULL},
	{"h:443", false, false, NULL, NULL, NULL},
	{"ftp://h/a", false, false, NULL, NULL, NULL},
	{"/a%", false, false, NULL, NULL, NULL},
	{"/a%4", false, false, NULL, NULL, NULL},
	{"/a%4g", false, false, NULL, NULL, NULL},
	{"/a%00", false, false, NULL, NULL, NULL},
	{"/a\x01", false, false, NULL, NULL, NULL},
	{"/a\x7f", false, false, NULL, NULL, NULL},
	{"/a?b\tc", false, false, NULL, NULL, NULL},
};

static bool text_is(struct pa_http_text t, const char *want)
{
	return t.len == strlen(want) && !memcmp(t.s ? t.s : "", want, t.len);
}

static void check_targets(void)
{
	for (size_t i = 0; i < PA_ARRAY_LEN(targets); i++) {
		struct pa_http_target t;
		bool good = pa_http_target_split(text(targets[i].target), targets[i].connect, &t);

		is_int(good, targets[i].good, targets[i].target);
		if (good && targets[i].good)
			ok(text_is(t.authority, targets[i].authority) &&
				   text_is(t.path, targets[i].path) &&
				   text_is(t.query, targets[i].query),
			   "... in its parts");
	}
}

static const char *const clean[][2] = {
	{"/", "/"},
	{"", "/"},
	{"//", "/"},
	{"/a", "/a"},
	{"/a/", "/a/"},
	{"/a//", "/a/"},
	{"//a", "/a"},
	{"/a/b", "/a/b"},
	{"/a//b", "/a/b"},
	{"/./a", "/a"},
	{"/a/.", "/a"},
	{"/a/./", "/a/"},
	{"/a/..", "/"},
	{"/a/../", "/"},
	{"/a/b/..", "/a"},
	{"/a/b/../", "/a/"},
	{"/../../a", "/a"},
	{"/a/../../b", "/b"},
	{"/a/.../b", "/a/.../b"},
	{"/..a/b..", "/..a/b.."},
	{"/%2e%2e/a", "/%2e%2e/a"},
	{"a/b", "/a/b"},
	{"..", "/"},
};

static void check_clean(void)
{
	char out[32];

	for (size_t i = 0; i < PA_ARRAY_LEN(clean); i++) {
		size_t n = pa_http_path_clean(text(clean[i][0]), out);

		is_str(out, clean[i][1], clean[i][0]);
		is_int(n, strlen(out), "... length");
		pa_http_path_clean(text(clean[i][1]), out);
		is_str(out, clean[i][1], "... once is enough");
	}
}

static void check_prefix(void)
{
	static const char *const table[][2] = {
		{"/d/p", ""},       {"/d/p/", "/"},     {"/d/p/x", "/x"},
		{"/d/px", NULL},    {"/d", NULL},       {"/", NULL},
		{"", NULL},         {"/%64/p/x", "/x"}, {"/d%2Fp/x", NULL},
		{"/d%2fp/x", NULL}, {"/d/%70", ""},     {"/d/%7", NULL},
		{"/D/p", NULL},     {"/d/p%2Fx", NULL}, {"/d/p/%2Fx", "/%2Fx"},
		{"%2Fd/p", NULL},
	};

	for (size_t i = 0; i < PA_ARRAY_LEN(table); i++) {
		const char *rest = pa_http_prefix_match(table[i][0], "/d/p");

		ok(table[i][1] ? rest && !strcmp(rest, table[i][1]) : !rest, "prefix of %s",
		   table[i][0]);
	}
	is_str(pa_http_prefix_match("/x", ""), "/x", "the root is a prefix of everything");
}

static void check_location(void)
{
	char out[64];

	pa_http_location(out, sizeof(out), "/a/<b>\"", NULL);
	is_str(out, "/a/%3Cb%3E%22", "what a header or a page could misread is escaped");
	pa_http_location(out, sizeof(out), "/\xc3\xa9", "q=\xc3\xa9&r=1");
	is_str(out, "/%C3%A9?q=%C3%A9&r=1", "non-ASCII, and the query is kept");
	is_int(pa_http_location(out, 4, "/abcdef", "q"), 9, "says how long it is");
	is_str(out, "/ab", "... and cuts");
	pa_http_html_escape(out, sizeof(out), "<a href='x'>\"&");
	is_str(out, "&lt;a href=&#39;x&#39;&gt;&#34;&amp;", "HTML");
}

int main(void)
{
	check_targets();
	check_clean();
	check_prefix();
	check_location();
	return tap_done();
}
