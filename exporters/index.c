/* SPDX-License-Identifier: Apache-2.0
 * The page at PPROF_PREFIX/: what can be asked for. Same structure and links as Go's, because
 * people, tests and scrapers look for them. */
#include <string.h>

#include "agent/base/sort.h"
#include "agent/core/collector.h"
#include "agent/core/config.h"
#include "agent/core/exporter.h"
#include "agent/core/registry.h"
#include "agent/http/http.h"

#define ROWS_MAX 64

struct row {
	const char *name, *summary;
	uint64_t count;
};

/* Endpoints that are not a collector's. */
static const struct row special[] = {
	{"cmdline", "The command line invocation of the current program", 0},
	{"symbol",
	 "Maps given program counters to function names. Counters can be specified in a GET raw "
	 "query or POST body, multiple counters are separated by '+'.",
	 0},
};

static int row_compare(const void *a, const void *b, void *arg PA_UNUSED)
{
	return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

static size_t collect_rows(struct row rows[ROWS_MAX])
{
	const struct pa_collector *c;
	size_t n = 0;

	for (size_t i = 0; i < PA_ARRAY_LEN(special); i++)
		rows[n++] = special[i];
	for (size_t i = 0; n < ROWS_MAX && (c = pa_registry_collector(i)); i++)
		if (pa_registry_find(c->name, strlen(c->name)) == c)
			rows[n++] = (struct row){c->name, c->summary, c->count ? c->count() : 0};
	pa_sort(rows, n, sizeof(*rows), row_compare, NULL);
	return n;
}

static void put_html(struct pa_sink *out, const char *text)
{
	while (*text) {
		size_t plain = strcspn(text, "&<>\"'");

		pa_sink_write(out, text, plain);
		text += plain;
		if (*text)
			pa_sink_printf(out, "&#%d;", *text++);
	}
}

static void put_rows(struct pa_sink *out, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pa_sink_printf(out, "<tr><td>%llu</td><td><a href='%s?debug=1'>%s</a></td></tr>\n",
			       (unsigned long long)rows[i].count, rows[i].name, rows[i].name);
	pa_sink_puts(out, "</table>\n");
	if (pa_registry_find("goroutine", 9))
		pa_sink_puts(out, "<a href=\"goroutine?debug=2\">full goroutine stack dump</a>\n");
	pa_sink_puts(out, "<br>\n<p>\nProfile Descriptions:\n<ul>\n");
	for (size_t i = 0; i < n; i++) {
		pa_sink_printf(out, "<li><div class=profile-name>%s: </div> ", rows[i].name);
		put_html(out, rows[i].summary);
		pa_sink_puts(out, "</li>\n");
	}
}

static void index_handle(const struct pa_http_req *req PA_UNUSED, struct pa_http_resp *resp)
{
	const char *prefix = pa_config()->prefix;
	struct pa_sink *out = pa_http_body(resp);
	struct row rows[ROWS_MAX];
	size_t n = collect_rows(rows);

	pa_http_header(resp, "X-Content-Type-Options", "nosniff");
	pa_http_header(resp, "Content-Type", "text/html; charset=utf-8");
	pa_sink_printf(out, "<html>\n<head>\n<title>%s/</title>\n", prefix);
	pa_sink_puts(out, "<style>\n.profile-name{\n\tdisplay:inline-block;\n\twidth:6rem;\n}\n"
			  "</style>\n</head>\n<body>\n");
	pa_sink_printf(out, "%s/\n<br>\n", prefix);
	pa_sink_puts(out,
		     "<p>Set debug=1 as a query parameter to export in legacy text format</p>\n"
		     "<br>\nTypes of profiles available:\n<table>\n"
		     "<thead><td>Count</td><td>Profile</td></thead>\n");
	put_rows(out, rows, n);
	pa_sink_puts(out, "</ul>\n</p>\n</body>\n</html>");
}

static const struct pa_route routes[] = {
	{"/", 0, index_handle},
	{NULL, 0, NULL},
};

const struct pa_exporter pa_exporter_index = {
	.name = "index",
	.routes = routes,
};
