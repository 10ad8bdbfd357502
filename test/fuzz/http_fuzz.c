/* SPDX-License-Identifier: Apache-2.0
 * Bytes of a connection through everything that reads them before a handler does: head, target,
 * credentials, router, query, body in chunks. Besides not crashing, answers may not depend on how
 * the bytes are cut, and what comes out must be fit for where it goes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/core/config.h"
#include "agent/core/exporter.h"
#include "agent/core/registry.h"
#include "agent/http/conn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static void require(bool good)
{
	if (!good)
		abort();
}

static void handle(const struct pa_http_req *req, struct pa_http_resp *resp)
{
	(void)req;
	(void)resp;
}

static const struct pa_route routes[] = {
	{"/", 0, handle},
	{"/profile", 0, handle},
	{"/symbol", PA_ROUTE_POST, handle},
	{"/tree", PA_ROUTE_PREFIX, handle},
	{NULL, 0, NULL},
};
static const struct pa_exporter exporter = {"fuzz", routes};
static const struct pa_exporter *const exporters[] = {&exporter};

/* As many heads again with credentials asked for. */
static char *open_env[] = {NULL};
static char *auth_env[] = {(char[]){"PPROF_USER=u"}, (char[]){"PPROF_PASSWORD=p"},
			   (char[]){"PPROF_TOKEN=t"}, NULL};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	pa_registry_init(NULL, 0, exporters, 1);
	return 0;
}

/* On the heap at its exact size, so that a byte read too far is seen. */
static struct pa_conn_text *text;

static void check_query(const struct pa_http_req *req)
{
	static const char *const keys[] = {"seconds", "debug", "", "a b"};
	char value[16];
	int64_t number;

	for (size_t i = 0; i < PA_ARRAY_LEN(keys); i++) {
		memset(value, 'z', sizeof(value));
		if (pa_http_query(req, keys[i], value, sizeof(value)))
			require(memchr(value, '\0', sizeof(value)));
		if (pa_http_query_int(req, keys[i], &number))
			require(pa_http_query(req, keys[i], value, sizeof(value)));
	}
}

static void check_redirect(const struct pa_http_req *req, const char *path)
{
	static char location[sizeof(((struct pa_resp_buf *)0)->body)], html[2048], again[1 << 15];
	size_t len = pa_http_location(location, sizeof(location), path, req->raw_query);

	require(strlen(location) == PA_MIN(len, sizeof(location) - 1));
	for (const char *c = location; *c; c++)
		require((unsigned char)*c > 0x20 && (unsigned char)*c < 0x7f);
	pa_http_html_escape(html, sizeof(html), location);
	require(!strpbrk(html, "<>\"'"));
	require(*path == '/' && path[1] != '/');
	pa_http_path_clean((struct pa_http_text){path, strlen(path)}, again);
	require(!strcmp(again, path));
}

static void check_decision(const struct pa_http_head *h)
{
	struct pa_http_conn c = {.text = text, .req.method = h->method};

	if (!pa_http_decide(&c, h))
		return;
	require(strlen(c.req.path) < sizeof(text->path));
	check_query(&c.req);
	switch (c.decision.verdict) {
	case PA_VERDICT_SERVE:
		require(c.decision.route && c.req.rest);
		require(h->method != PA_HTTP_OTHER);
		require(h->method != PA_HTTP_POST || (c.decision.route->flags & PA_ROUTE_POST));
		require(!strncmp(c.req.path, pa_config()->prefix, strlen(pa_config()->prefix)));
		break;
	case PA_VERDICT_REDIRECT:
		check_redirect(&c.req, c.text->path);
		break;
	default:
		break;
	}
}

/* Decodes in pieces of `piece` bytes. The sum stands for the body. */
static uint64_t decode(const char *in, size_t len, size_t piece, size_t *ret_used,
		       struct pa_http_chunked *c)
{
	uint64_t sum = 0;
	size_t used = 0;

	memset(c, 0, sizeof(*c));
	while (used < len && !c->done && !c->bad) {
		struct pa_http_text body;
		size_t part = PA_MIN(piece, len - used), n;

		n = pa_http_chunked_feed(c, in + used, part, &body);
		require(n > 0 && n <= part);
		require(body.s >= in + used && body.s + body.len <= in + used + n);
		for (size_t i = 0; i < body.len; i++)
			sum = sum * 31 + (unsigned char)body.s[i] + 1;
		used += n;
	}
	*ret_used = used;
	return sum;
}

static void check_chunks(const char *in, size_t len)
{
	struct pa_http_chunked one, many;
	size_t used_one, used_many;
	uint64_t sum = decode(in, len, SIZE_MAX, &used_one, &one);

	require(sum == decode(in, len, 1, &used_many, &many));
	require(used_one == used_many && one.done == many.done && one.bad == many.bad);
	require(sum == decode(in, len, 7, &used_many, &many) && used_one == used_many);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = PA_MIN(size, PA_HTTP_HEAD_MAX), line = 0, slow_line = 0, head_len, slow = 0;
	char *in = malloc(size ? size : 1);
	struct pa_http_head h;
	const char *why;

	if (!text)
		text = malloc(sizeof(*text));
	require(in && text);
	if (size)
		memcpy(in, data, size);
	head_len = pa_http_head_find(in, len, &line);
	for (size_t have = 0; have <= len && !slow; have += 1 + have / 64)
		slow = pa_http_head_find(in, have, &slow_line);
	if (!slow)
		slow = pa_http_head_find(in, len, &slow_line);
	require(slow == head_len);
	if (head_len && pa_http_head_parse(in, head_len, &h, &why) == 0) {
		pa_config_load(open_env, NULL);
		check_decision(&h);
		pa_config_load(auth_env, NULL);
		check_decision(&h);
		check_chunks(in + head_len, size - head_len);
	} else {
		check_chunks(in, size);
	}
	free(in);
	return 0;
}
