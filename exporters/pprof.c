/* SPDX-License-Identifier: Apache-2.0
 * /profile, and how every profile is answered in pprof's format. As in Go, nothing is sent before
 * the window is over. */
#include <errno.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/fmt.h"
#include "agent/base/log.h"
#include "agent/core/collector.h"
#include "agent/core/config.h"
#include "agent/core/exporter.h"
#include "agent/core/profile.h"
#include "agent/core/registry.h"
#include "agent/core/window.h"
#include "agent/http/http.h"
#include "exporters/pprof.h"

#define DEFAULT_SECONDS 30
#define MAX_HZ          10000
#define LINE_BUDGET_MAX (5 * PA_NS_PER_S)
#define LINE_BUDGET_MIN (250 * PA_NS_PER_MS)

/* `go tool pprof` waits half as long again as the window that it asked for, so line numbers may not
 * take as long as that; a minute where there is no window. */
static uint64_t line_budget(const struct pa_profile *p)
{
	uint64_t budget = p->duration_ns / 5 * 2;

	if (!budget || budget > LINE_BUDGET_MAX)
		return LINE_BUDGET_MAX;
	return PA_MAX(budget, LINE_BUDGET_MIN);
}

bool pa_pprof_asked(const struct pa_http_req *req, struct pa_http_resp *resp,
		    struct pa_pprof_options *ret)
{
	static const struct {
		const char *word;
		enum pa_pprof_symbolize value;
	} words[] = {
		{"none", PA_PPROF_SYMBOLIZE_NONE},   {"0", PA_PPROF_SYMBOLIZE_NONE},
		{"names", PA_PPROF_SYMBOLIZE_NAMES}, {"lines", PA_PPROF_SYMBOLIZE_LINES},
		{"1", PA_PPROF_SYMBOLIZE_LINES},
	};
	const char *word = pa_config()->symbolize;
	char value[8];

	if (pa_http_query(req, "symbolize", value, sizeof(value)))
		word = value;
	for (size_t i = 0; i < PA_ARRAY_LEN(words); i++) {
		if (strcmp(word, words[i].word) != 0)
			continue;
		*ret = (struct pa_pprof_options){.symbolize = words[i].value};
		return true;
	}
	pa_http_error(resp, 400, "invalid value for \"symbolize\" - must be none, names or lines");
	return false;
}

static void respond_headers(struct pa_http_resp *resp, const char *filename)
{
	char disposition[128];

	pa_fmt(disposition, sizeof(disposition), "attachment; filename=\"%s\"", filename);
	pa_http_header(resp, "Content-Type", "application/octet-stream");
	pa_http_header(resp, "Content-Disposition", disposition);
	pa_http_header(resp, "X-Content-Type-Options", "nosniff");
}

void pa_pprof_respond(struct pa_http_resp *resp, const struct pa_profile *p,
		      const struct pa_pprof_options *asked, const char *filename)
{
	char text[160];
	struct pa_pprof_options options = *asked;
	struct pa_sink *body;
	struct pa_pprof *e;
	int r;

	if (!options.budget_ns)
		options.budget_ns = line_budget(p);
	r = pa_pprof_new(p, &options, &e);
	if (r < 0) {
		pa_fmt(text, sizeof(text), "failed to encode profile: %s%s", pa_errno_text(r),
		       r == -ENOMEM ? "; PPROF_MEMORY_LIMIT is used up" : "");
		pa_http_error(resp, 500, text);
		return;
	}
	respond_headers(resp, filename);
	body = pa_http_body(resp);
	r = pa_pprof_write(e, body);
	if (r < 0) {
		/* All that can fail now is the connection; whatever it was, the answer must not
		 * end as if it were whole. */
		body->error = r;
		pa_debug("%s: not sent: %s", filename, pa_errno_text(r));
	}
	pa_pprof_free(e);
}

/* Missing, not a number and not positive all mean the default, as in Go. 0 when it is longer than
 * allowed, which has been answered. */
static uint32_t asked_seconds(const struct pa_http_req *req, struct pa_http_resp *resp)
{
	const uint32_t max = pa_config()->max_seconds;
	char text[96];
	int64_t seconds;

	if (!pa_http_query_int(req, "seconds", &seconds) || seconds <= 0)
		return PA_MIN(DEFAULT_SECONDS, max);
	if (seconds <= max)
		return (uint32_t)seconds;
	pa_fmt(text, sizeof(text),
	       "invalid value for \"seconds\" - must not exceed %u (PPROF_MAX_SECONDS)", max);
	pa_http_error(resp, 400, text);
	return 0;
}

/* ?hz=N or ?rate=N; *ret is 0 without. False when it is a bad one, which has been answered. */
static bool asked_hz(const struct pa_http_req *req, struct pa_http_resp *resp, uint32_t *ret)
{
	static const char *const names[] = {"hz", "rate"};
	char text[96];
	int64_t hz;

	*ret = 0;
	for (size_t i = 0; i < PA_ARRAY_LEN(names); i++) {
		char value[2];

		if (!pa_http_query(req, names[i], value, sizeof(value)))
			continue;
		if (pa_http_query_int(req, names[i], &hz) && hz > 0 && hz <= MAX_HZ) {
			*ret = (uint32_t)hz;
			return true;
		}
		pa_fmt(text, sizeof(text),
		       "invalid value for \"%s\" - must be an integer from 1 to %d", names[i],
		       MAX_HZ);
		pa_http_error(resp, 400, text);
		return false;
	}
	return true;
}

static int collect(struct pa_window *w, struct pa_profile **ret, char *reason)
{
	const struct pa_collector *c = pa_registry_find("profile", strlen("profile"));
	int r;

	if (!c) {
		pa_fmt(reason, PA_COLLECT_ERROR_MAX, "the collector could not be started");
		return -ENODEV;
	}
	reason[0] = '\0';
	r = c->collect(w, ret, reason);
	if (r == -EBUSY)
		pa_fmt(reason, PA_COLLECT_ERROR_MAX, "cpu profiling already in use");
	else if (r < 0 && !reason[0])
		pa_fmt(reason, PA_COLLECT_ERROR_MAX, "%s", pa_errno_text(r));
	return r;
}

static void handle_profile(const struct pa_http_req *req, struct pa_http_resp *resp)
{
	struct pa_window w = {.cancelled = pa_http_client_gone, .arg = resp};
	struct pa_pprof_options options;
	char reason[PA_COLLECT_ERROR_MAX], text[PA_COLLECT_ERROR_MAX + 64];
	struct pa_profile *p = NULL;
	uint32_t seconds;

	if (!asked_hz(req, resp, &w.hz) || !pa_pprof_asked(req, resp, &options))
		return;
	seconds = asked_seconds(req, resp);
	if (!seconds)
		return;
	w.duration_ns = seconds * PA_NS_PER_S;
	if (collect(&w, &p, reason) < 0) {
		pa_fmt(text, sizeof(text), "Could not enable CPU profiling: %s", reason);
		pa_http_error(resp, 500, text);
		return;
	}
	if (!pa_http_client_gone(resp))
		pa_pprof_respond(resp, p, &options, "profile");
	pa_profile_free(p);
}

static const struct pa_route routes[] = {
	{.path = "/profile", .handle = handle_profile},
	{0},
};

extern const struct pa_exporter pa_exporter_pprof;
const struct pa_exporter pa_exporter_pprof = {
	.name = "pprof",
	.routes = routes,
};
