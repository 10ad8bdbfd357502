/* SPDX-License-Identifier: Apache-2.0
 * The reading half of the server: pure functions over bytes that nobody vouches for. No state,
 * no allocation, nothing outside the given lengths is read. Any thread. */
#ifndef PA_HTTP_PARSE_H
#define PA_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/http/http.h"

#define PA_HTTP_HEAD_MAX (16u << 10) /* request line and headers */

/* Bytes inside somebody else's buffer, not terminated. */
struct pa_http_text {
	const char *s;
	size_t len;
};

struct pa_http_head {
	enum pa_http_method method;
	struct pa_http_text method_text;   /* as sent, for the log */
	struct pa_http_text target;        /* between method and version */
	struct pa_http_text host;          /* empty without a Host header */
	struct pa_http_text authorization; /* first one; empty without */
	uint64_t content_length;           /* 0 without */
	bool chunked;                      /* body in chunks; content_length is 0 */
	bool http11;                       /* 1.1 or later 1.x; false: 1.0 */
	bool close, keep_alive;            /* tokens of Connection */
	bool expect_continue;
};

/* Looks for the end of the head. Returns its length including the empty line, 0 when there is
 * more to come. *line remembers where the last unfinished line begins; 0 for a new request. */
size_t pa_http_head_find(const char *buf, size_t len, size_t *line);

/* Parses a whole head of `len` bytes. 0, or the HTTP status that refuses it with a text (no
 * newline; NULL: the status' name says it all). */
int pa_http_head_parse(const char *buf, size_t len, struct pa_http_head *ret,
		       const char **ret_text);

/* Body in chunks (RFC 9112, 7.1). Zero-initialise. */
struct pa_http_chunked {
	int state;
	uint64_t left;   /* of this chunk's data; while its size is read: the digits so far */
	unsigned digits; /* of the size */
	uint64_t excess; /* bytes that carry nothing: extensions, tiny chunks, trailers */
	bool done, bad;
};

/* Consumes up to len bytes and stops after one run of data, at the end or at an error. Returns
 * the bytes used; the data, maybe none, lies in `in`. */
size_t pa_http_chunked_feed(struct pa_http_chunked *c, const char *in, size_t len,
			    struct pa_http_text *ret_data);

/* The request target's parts. */
struct pa_http_target {
	struct pa_http_text authority; /* of the absolute form, without user info */
	struct pa_http_text path;      /* escaped, as sent */
	struct pa_http_text query;     /* behind '?' */
	bool asterisk;                 /* "*" */
};

/* Splits origin form, absolute form (http, https), "*" and, for CONNECT, authority form. False:
 * none of them, a control character or an escape that is none or stands for NUL. */
bool pa_http_target_split(struct pa_http_text target, bool connect, struct pa_http_target *ret);

/* Cleans an escaped path as Go's ServeMux does: one leading slash, no empty, "." or ".." element,
 * a trailing slash kept. `out` takes path.len + 2 bytes; NUL-terminated. Returns the length. */
size_t pa_http_path_clean(struct pa_http_text path, char *out);

/* Decodes %XX (and '+' to a space when `plus`). `out` takes len + 1 bytes; NUL-terminated.
 * Returns the length, or -1 for a bad escape. */
ptrdiff_t pa_http_unescape(const char *s, size_t len, bool plus, char *out);

/* What is left of an escaped path behind `prefix` ("/debug/pprof"), NULL when it lies outside.
 * An escaped slash does not separate. The rest is empty or begins with a slash. */
const char *pa_http_prefix_match(const char *path, const char *prefix);

/* Copies an escaped path and, when not NULL, a query so that they can stand in a header. The
 * length that it needs without NUL; cut at size as pa_fmt does. */
size_t pa_http_location(char *buf, size_t size, const char *path, const char *query);

/* Copies with & < > " ' replaced for HTML. Length as above. */
size_t pa_http_html_escape(char *buf, size_t size, const char *s);

/* Whether a Host value names this machine's loopback or the bound address ("" allowed: nobody can
 * be led astray without a name). Keeps web pages out that rebind their name to 127.0.0.1. */
bool pa_http_host_is_local(struct pa_http_text host, const char *bound);

/* Whether the Authorization value fits the configured credentials ("" : not set). Time depends on
 * the lengths of what was sent only. */
bool pa_http_auth_ok(struct pa_http_text authorization, const char *user, const char *password,
		     const char *token);

/* "Sun, 06 Nov 1994 08:49:37 GMT" for seconds since the epoch, years 1970 to 9999. */
#define PA_HTTP_DATE_SIZE 30
void pa_http_date(char buf[PA_HTTP_DATE_SIZE], uint64_t unix_seconds);

/* Name of a status code; "Unknown" for those that are never sent. */
const char *pa_http_status_text(int status);

#endif
