/* SPDX-License-Identifier: Apache-2.0
 * From a head to a verdict: prefix, clean paths, longest route, methods, Host, credentials. */
#include "test/tap.h"

#include "agent/core/config.h"
#include "agent/core/exporter.h"
#include "agent/core/registry.h"
#include "agent/http/conn.h"

static void handle(const struct pa_http_req *req PA_UNUSED, struct pa_http_resp *resp PA_UNUSED)
{
}

static const struct pa_route one[] = {
	{"/", 0, handle},
	{"/cmdline", 0, handle},
	{"/symbol", PA_ROUTE_POST, handle},
	{NULL, 0, NULL},
};
static const struct pa_route two[] = {
	{"/tree", PA_ROUTE_PREFIX, handle},
	{"/tree/inner", PA_ROUTE_PREFIX | PA_ROUTE_POST, handle},
	{"/tree/exact", 0, handle},
	{NULL, 0, NULL},
};
static const struct pa_exporter exporter_one = {"one", one}, exporter_two = {"two", two};
static const struct pa_exporter exporter_none = {"none", NULL};
static const struct pa_exporter *const exporters[] = {&exporter_one, &exporter_none, &exporter_two};

static const struct {
	const char *request;
	enum pa_verdict verdict;
	const char *route, *path, *rest; /* NULL: not looked at */
} table[] = {
	{"GET /debug/pprof/", PA_VERDICT_SERVE, "/", "/debug/pprof/", ""},
	{"HEAD /debug/pprof/", PA_VERDICT_SERVE, "/", NULL, ""},
	{"GET /debug/pprof/cmdline", PA_VERDICT_SERVE, "/cmdline", NULL, ""},
	{"GET /debug/pprof/cmdl%69ne", PA_VERDICT_SERVE, "/cmdline", "/debug/pprof/cmdline", ""},
	{"GET /%64ebug/pprof/cmdline", PA_VERDICT_SERVE, "/cmdline", "/debug/pprof/cmdline", ""},
	{"GET http://localhost/debug/pprof/cmdline?x", PA_VERDICT_SERVE, "/cmdline", NULL, ""},
	{"POST /debug/pprof/symbol", PA_VERDICT_SERVE, "/symbol", NULL, ""},
	{"GET /debug/pprof/tree", PA_VERDICT_SERVE, "/tree", NULL, ""},
	{"GET /debug/pprof/tree/", PA_VERDICT_SERVE, "/tree", NULL, ""},
	{"GET /debug/pprof/tree/a/b", PA_VERDICT_SERVE, "/tree", NULL, "a/b"},
	{"GET /debug/pprof/tree/inner/a", PA_VERDICT_SERVE, "/tree/inner", NULL, "a"},
	{"GET /debug/pprof/tree/innermost", PA_VERDICT_SERVE, "/tree", NULL, "innermost"},
	{"GET /debug/pprof/tree/exact", PA_VERDICT_SERVE, "/tree/exact", NULL, ""},
	{"GET /debug/pprof/tree/exact/x", PA_VERDICT_SERVE, "/tree", NULL, "exact/x"},
	{"POST /debug/pprof/tree/inner/a", PA_VERDICT_SERVE, "/tree/inner", NULL, "a"},

	{"GET /debug/pprof/heap", PA_VERDICT_UNKNOWN, NULL, NULL, NULL},
	{"GET /debug/pprof/cmdline/", PA_VERDICT_UNKNOWN, NULL, NULL, NULL},
	{"GET /debug/pprof/%2Fcmdline", PA_VERDICT_UNKNOWN, NULL, NULL, NULL},
	{"GET /debug/pprof/<script>scripty</script>", PA_VERDICT_UNKNOWN, NULL, NULL, NULL},
	{"GET /debug/pprof/%2e%2e/x", PA_VERDICT_UNKNOWN, NULL, NULL, NULL},
	{"GET /debug/pprof/treehouse", PA_VERDICT_UNKNOWN, NULL, NULL, NULL},

	{"GET /debug/pprof", PA_VERDICT_REDIRECT, NULL, NULL, NULL},
	{"HEAD /debug/pprof?x=1", PA_VERDICT_REDIRECT, NULL, NULL, NULL},
	{"GET //debug/pprof", PA_VERDICT_REDIRECT, NULL, NULL, NULL},
	{"GET /debug//pprof/", PA_VERDICT_REDIRECT, NULL, NULL, NULL},
	{"GET /debug/pprof/./cmdline", PA_VERDICT_REDIRECT, NULL, NULL, NULL},
	{"GET /debug/pprof/a/../cmdline", PA_VERDICT_REDIRECT, NULL, NULL, NULL},
	{"POST /x//y", PA_VERDICT_REDIRECT, NULL, NULL, NULL},
	{"GET http://localhost", PA_VERDICT_REDIRECT, NULL, NULL, NULL},

	{"GET /", PA_VERDICT_OUTSIDE, NULL, NULL, NULL},
	{"POST /", PA_VERDICT_OUTSIDE, NULL, NULL, NULL},
	{"GET /debug", PA_VERDICT_OUTSIDE, NULL, NULL, NULL},
	{"GET /debug/pprofx", PA_VERDICT_OUTSIDE, NULL, NULL, NULL},
	{"GET /debug%2Fpprof/", PA_VERDICT_OUTSIDE, NULL, NULL, NULL},
	{"CONNECT localhost:1", PA_VERDICT_OUTSIDE, NULL, NULL, NULL},

	{"POST /debug/pprof/", PA_VERDICT_METHOD, NULL, NULL, NULL},
	{"POST /debug/pprof", PA_VERDICT_METHOD, NULL, NULL, NULL},
	{"POST /debug/pprof/heap", PA_VERDICT_METHOD, NULL, NULL, NULL},
	{"PUT /debug/pprof/symbol", PA_VERDICT_METHOD, NULL, NULL, NULL},
	{"OPTIONS /debug/pprof/cmdline", PA_VERDICT_METHOD, NULL, NULL, NULL},
	{"get /debug/pprof/cmdline", PA_VERDICT_METHOD, NULL, NULL, NULL},
	{"OPTIONS *", PA_VERDICT_ASTERISK, NULL, NULL, NULL},
};

static struct pa_conn_text memory;
static struct pa_http_conn conn;

/* Decides about a request line with these headers; -1: malformed. */
static int decide(const char *request, const char *headers)
{
	struct pa_http_head h;
	const char *why;
	int status;

	snprintf(memory.in, sizeof(memory.in), "%s HTTP/1.1\r\n%s\r\n", request, headers);
	status = pa_http_head_parse(memory.in, strlen(memory.in), &h, &why);
	if (status)
		return -status;
	conn = (struct pa_http_conn){.text = &memory, .req.method = h.method};
	return pa_http_decide(&conn, &h) ? (int)conn.decision.verdict : -1;
}

static void check_table(void)
{
	for (size_t i = 0; i < PA_ARRAY_LEN(table); i++) {
		is_int(decide(table[i].request, "Host: localhost\r\n"), table[i].verdict,
		       table[i].request);
		if (table[i].route)
			is_str(conn.decision.route->path, table[i].route, "... route");
		if (table[i].path)
			is_str(conn.req.path, table[i].path, "... path");
		if (table[i].rest)
			is_str(conn.req.rest, table[i].rest, "... rest");
	}
	decide("GET //debug/pprof/../a", "Host: localhost\r\n");
	is_str(memory.path, "/debug/a", "where a redirect leads");
	decide("GET /debug/pprof?seconds=1&x", "Host: localhost\r\n");
	is_str(memory.path, "/debug/pprof/", "... the prefix gets its slash");
	is_str(conn.req.raw_query, "seconds=1&x", "... and the query is kept");
	decide("GET /debug/pprof/symbol?0x1+0x2", "Host: localhost\r\n");
	is_str(conn.req.raw_query, "0x1+0x2", "the raw query is not decoded");
	is_int(decide("GET *", "Host: localhost\r\n"), -1, "only OPTIONS may ask for *");
	is_int(decide("GET x", "Host: localhost\r\n"), -1, "a relative path");
	is_int(decide("GET /debug/pprof/%zz", "Host: localhost\r\n"), -1, "a bad escape");
	is_int(decide("GET /debug/pprof/cmdline%00x", "Host: localhost\r\n"), -1, "a NUL");
}

static void check_access(char *const *with_password)
{
	is_int(decide("GET /debug/pprof/", "Host: evil.example\r\n"), PA_VERDICT_HOST,
	       "a rebound name");
	is_int(decide("GET http://evil.example/debug/pprof/", "Host: localhost\r\n"),
	       PA_VERDICT_HOST, "... in the request line");
	is_int(decide("GET /nothing", "Host: evil.example\r\n"), PA_VERDICT_HOST,
	       "... learns nothing about paths");
	pa_config_load(with_password, NULL);
	is_int(decide("GET /debug/pprof/", "Host: localhost\r\n"), PA_VERDICT_AUTH,
	       "no credentials");
	is_int(decide("GET /nothing", "Host: localhost\r\n"), PA_VERDICT_AUTH,
	       "... learns nothing about paths");
	is_int(decide("GET /debug/pprof/", "Host: evil.example\r\nAuthorization: Basic dTpw\r\n"),
	       PA_VERDICT_SERVE, "with credentials any Host will do");
}

static void check_other_prefix(char *const *root, char *const *deep)
{
	pa_config_load(root, NULL);
	is_int(decide("GET /cmdline", "Host: localhost\r\n"), PA_VERDICT_SERVE, "root as prefix");
	is_int(decide("GET /", "Host: localhost\r\n"), PA_VERDICT_SERVE, "... index");
	pa_config_load(deep, NULL);
	is_int(decide("GET /a/b.c/cmdline", "Host: localhost\r\n"), PA_VERDICT_SERVE,
	       "another prefix");
	is_str(conn.req.path, "/a/b.c/cmdline", "... path");
	is_int(decide("GET /debug/pprof/", "Host: localhost\r\n"), PA_VERDICT_OUTSIDE,
	       "... and the usual one is not there");
}

int main(void)
{
	char *none[] = {NULL}, *root[] = {(char[]){"PPROF_PREFIX=/"}, NULL},
	     *deep[] = {(char[]){"PPROF_PREFIX=/a/b.c/"}, NULL},
	     *auth[] = {(char[]){"PPROF_USER=u"}, (char[]){"PPROF_PASSWORD=p"}, NULL};

	pa_config_load(none, NULL);
	pa_registry_init(NULL, 0, exporters, PA_ARRAY_LEN(exporters));
	check_table();
	check_access(auth);
	check_other_prefix(root, deep);
	return tap_done();
}
