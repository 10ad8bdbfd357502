/* SPDX-License-Identifier: Apache-2.0
 * From a parsed head to what will be done: host check, credentials, clean path, route, method. */
#include <string.h>

#include "agent/base/fmt.h"
#include "agent/core/config.h"
#include "agent/core/exporter.h"
#include "agent/core/registry.h"
#include "agent/http/conn.h"

/* How well a route fits: 0 not at all, else the better the larger. */
static size_t route_fit(const struct pa_route *r, const char *path, const char **ret_rest)
{
	size_t n = strlen(r->path);

	*ret_rest = "";
	if (!strcmp(r->path, path))
		return SIZE_MAX;
	if (!(r->flags & PA_ROUTE_PREFIX))
		return 0;
	if (n && r->path[n - 1] == '/')
		n--;
	if (strncmp(r->path, path, n) || path[n] != '/')
		return 0;
	*ret_rest = path + n + 1;
	return n + 1;
}

struct pa_decision pa_http_find_route(enum pa_http_method method, const char *path)
{
	struct pa_decision d = {.verdict = PA_VERDICT_UNKNOWN};
	const struct pa_exporter *e;
	size_t best = 0;

	for (size_t i = 0; (e = pa_registry_exporter(i)); i++) {
		for (const struct pa_route *r = e->routes; r && r->path; r++) {
			const char *rest;
			size_t fit = route_fit(r, path, &rest);

			if (fit <= best)
				continue;
			best = fit;
			d.route = r;
			d.rest = rest;
		}
	}
	d.post = d.route && (d.route->flags & PA_ROUTE_POST);
	if (method == PA_HTTP_OTHER || (method == PA_HTTP_POST && !d.post))
		d.verdict = PA_VERDICT_METHOD;
	else if (d.route)
		d.verdict = PA_VERDICT_SERVE;
	return d;
}

/* Whether anybody on this machine's loopback could be a web page with a rebound name: only then
 * is the Host header looked at. With credentials a page gets nowhere. */
static bool host_allowed(struct pa_http_text host)
{
	const struct pa_config *cfg = pa_config();

	return *cfg->password || *cfg->token || pa_http_host_is_local(host, cfg->host);
}

static enum pa_verdict route_path(struct pa_http_conn *c, struct pa_http_text raw)
{
	const char *prefix = pa_config()->prefix, *rest;
	size_t len = pa_http_path_clean(raw, c->text->path);

	/* Go's mux looks at /prefix first, then at unclean paths. */
	rest = pa_http_prefix_match(c->text->path, prefix);
	if (rest && !*rest) {
		if (c->req.method == PA_HTTP_OTHER || c->req.method == PA_HTTP_POST)
			return PA_VERDICT_METHOD;
		pa_fmt(c->text->path, sizeof(c->text->path), "%s/", prefix);
		return PA_VERDICT_REDIRECT;
	}
	if (len != raw.len || memcmp(c->text->path, raw.s, len))
		return PA_VERDICT_REDIRECT;
	if (!rest)
		return PA_VERDICT_OUTSIDE;
	return PA_VERDICT_SERVE;
}

static void decide_path(struct pa_http_conn *c, struct pa_http_text raw)
{
	const char *prefix = pa_config()->prefix, *rest;
	size_t prefix_len = strlen(prefix);
	ptrdiff_t len;

	c->decision.verdict = route_path(c, raw);
	if (c->decision.verdict != PA_VERDICT_SERVE)
		return;
	rest = pa_http_prefix_match(c->text->raw, prefix);
	memcpy(c->text->path, prefix, prefix_len);
	len = pa_http_unescape(rest, strlen(rest), false, c->text->path + prefix_len);
	if (len < 0) { /* cannot be: the target was checked */
		c->decision.verdict = PA_VERDICT_UNKNOWN;
		return;
	}
	c->decision = pa_http_find_route(c->req.method, c->text->path + prefix_len);
	c->req.path = c->text->path;
	c->req.rest = c->decision.rest;
}

bool pa_http_decide(struct pa_http_conn *c, const struct pa_http_head *head)
{
	bool connect = head->method_text.len == 7 && !memcmp(head->method_text.s, "CONNECT", 7);
	bool options = head->method_text.len == 7 && !memcmp(head->method_text.s, "OPTIONS", 7);
	const struct pa_config *cfg = pa_config();
	struct pa_http_target t;
	char *query;

	c->decision = (struct pa_decision){.verdict = PA_VERDICT_OUTSIDE};
	if (!pa_http_target_split(head->target, connect, &t) || (t.asterisk && !options))
		return false;
	memcpy(c->text->raw, t.path.s, t.path.len);
	c->text->raw[t.path.len] = '\0';
	query = c->text->raw + t.path.len + 1;
	memcpy(query, t.query.s, t.query.len);
	query[t.query.len] = '\0';
	c->req.path = c->text->raw;
	c->req.rest = "";
	c->req.raw_query = query;

	if (!host_allowed(t.authority.len && !connect ? t.authority : head->host))
		c->decision.verdict = PA_VERDICT_HOST;
	else if (!pa_http_auth_ok(head->authorization, cfg->user, cfg->password, cfg->token))
		c->decision.verdict = PA_VERDICT_AUTH;
	else if (t.asterisk)
		c->decision.verdict = PA_VERDICT_ASTERISK;
	else if (!connect)
		decide_path(c, (struct pa_http_text){c->text->raw, t.path.len});
	return true;
}
