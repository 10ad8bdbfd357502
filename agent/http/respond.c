/* SPDX-License-Identifier: Apache-2.0
 * What is answered: the route's handler, or what the router's verdict says. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/clock.h"
#include "agent/base/fmt.h"
#include "agent/base/log.h"
#include "agent/core/self.h"
#include "agent/http/respond.h"

/* http.Redirect: a body for GET only. */
static void redirect(struct pa_http_resp *r)
{
	const struct pa_http_req *req = &r->conn->req;
	bool has_query = *req->raw_query;
	/* The body's buffer is free until the head is done: build the location there. */
	char *location = r->buf->body;
	size_t size = sizeof(r->buf->body);
	size_t len = pa_http_location(location, size, r->conn->text->path,
				      has_query ? req->raw_query : NULL);
	char html[PA_HTTP_SMALL];

	if (len >= size || len + 1024 > sizeof(r->buf->head)) {
		pa_http_plain_error(r, 414, pa_http_status_text(414));
		return;
	}
	pa_http_status(r, 301);
	pa_http_header(r, "Location", location);
	if (req->method == PA_HTTP_GET || req->method == PA_HTTP_HEAD)
		pa_http_header(r, "Content-Type", "text/html; charset=utf-8");
	if (req->method != PA_HTTP_GET)
		return;
	/* The location's bytes are overwritten by the body: they are in the head by now, and what
	 * is escaped for the page must be taken first. A page for humans may cut a monster. */
	len = pa_http_html_escape(html, sizeof(html), location);
	pa_sink_puts(&r->sink, "<a href=\"");
	pa_sink_write(&r->sink, html, PA_MIN(len, sizeof(html) - 1));
	pa_sink_puts(&r->sink, "\">Moved Permanently</a>.\n\n");
}

static void refuse_method(struct pa_http_resp *r)
{
	pa_http_header(r, "Allow", r->conn->decision.post ? "GET, HEAD, POST" : "GET, HEAD");
	pa_http_plain_error(r, 405, pa_http_status_text(405));
}

static void respond(struct pa_http_resp *r)
{
	struct pa_http_conn *c = r->conn;

	switch (c->decision.verdict) {
	case PA_VERDICT_SERVE:
		c->decision.route->handle(&c->req, r);
		break;
	case PA_VERDICT_HOST:
		pa_http_error(r, 403,
			      "Host header refused: use localhost or an IP address of the "
			      "loopback, or set credentials");
		break;
	case PA_VERDICT_AUTH:
		pa_http_header(r, "WWW-Authenticate", "Basic realm=\"pprof\"");
		pa_http_error(r, 401, pa_http_status_text(401));
		break;
	case PA_VERDICT_ASTERISK:
		break;
	case PA_VERDICT_REDIRECT:
		redirect(r);
		break;
	case PA_VERDICT_OUTSIDE:
		pa_http_plain_error(r, 404, "404 page not found");
		break;
	case PA_VERDICT_UNKNOWN:
		pa_http_error(r, 404, "Unknown profile");
		break;
	case PA_VERDICT_METHOD:
		refuse_method(r);
		break;
	}
}

void pa_http_answer(struct pa_http_conn *c, struct pa_resp_buf *buf)
{
	struct pa_http_resp r;

	pa_http_resp_init(&r, c, buf);
	respond(&r);
	pa_http_resp_finish(&r);
	pa_self_add(PA_SELF_http_requests, 1);
	if (pa_log_enabled(PA_LOG_INFO))
		pa_info("%s %.256s %d %llu %llums", c->method, c->text->raw, r.status,
			(unsigned long long)r.sent,
			(unsigned long long)((pa_clock_mono() - c->start) / PA_NS_PER_MS));
}

void pa_http_refuse(struct pa_http_conn *c, int status, const char *text)
{
	/* pprof shows a text only behind X-Go-Pprof. */
	const char *extra = status == 503 ? "Retry-After: 1\r\nX-Go-Pprof: 1\r\n" : "";
	const char *name = pa_http_status_text(status);
	char date[PA_HTTP_DATE_SIZE], reason[128], answer[512];
	size_t len;

	pa_http_date(date, pa_clock_real() / PA_NS_PER_S);
	pa_fmt(reason, sizeof(reason), "%d %s%s%s", status, name, text ? ": " : "",
	       text ? text : "");
	len = pa_fmt(answer, sizeof(answer),
		     "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nDate: %s\r\n"
		     "%sConnection: close\r\n\r\n%s",
		     reason, date, extra, reason);
	if (pa_own_fd_ours(&c->sock) && send(c->sock.fd, answer, PA_MIN(len, sizeof(answer) - 1),
					     MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		pa_debug("refusal %d not sent: %s", status, pa_errno_text(errno));
	pa_self_add(PA_SELF_http_requests, 1);
	pa_info("- - %d", status);
}
