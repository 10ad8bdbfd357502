/* SPDX-License-Identifier: Apache-2.0
 * The server as a whole, on a port of its own, spoken to in raw bytes: framing, keep-alive, bodies,
 * limits, and a host that closes descriptors, forks or leaves no room. */
#include "test/tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/core/config.h"
#include "agent/core/exporter.h"
#include "agent/core/registry.h"
#include "agent/core/window.h"
#include "agent/http/conn.h"
#include "agent/http/server.h"

/* --- what the server serves here ----------------------------------------------------------------- */

static _Atomic int waiting, waited; /* /wait: being answered now, ended */
static _Atomic int block = 1;       /* /block returns when it is 0 */
static _Atomic int blocked;

/* /body?n=N: N bytes in pieces of ?piece. */
static void handle_body(const struct pa_http_req *req, struct pa_http_resp *resp)
{
	static const char bytes[4096] = {[0 ... 4095] = 'x'};
	int64_t n = 0, piece = sizeof(bytes);

	pa_http_query_int(req, "n", &n);
	pa_http_query_int(req, "piece", &piece);
	pa_http_header(resp, "Content-Type", "text/plain");
	while (n > 0) {
		size_t part = (size_t)PA_MIN(n, PA_MIN(piece, (int64_t)sizeof(bytes)));

		pa_sink_write(pa_http_body(resp), bytes, part);
		if (pa_http_body(resp)->error)
			return;
		n -= (int64_t)part;
	}
}

/* /echo: method, query and the body's bytes. */
static void handle_echo(const struct pa_http_req *req, struct pa_http_resp *resp)
{
	pa_sink_printf(pa_http_body(resp), "%d %s ", (int)req->method, req->raw_query);
	pa_sink_write(pa_http_body(resp), req->body, req->body_len);
}

/* /wait: until the client is gone or 10 s are over. */
static void handle_wait(const struct pa_http_req *req PA_UNUSED, struct pa_http_resp *resp)
{
	struct pa_window w = {.cancelled = pa_http_client_gone, .arg = resp};

	waiting++;
	pa_sink_puts(pa_http_body(resp),
		     pa_window_sleep(&w, pa_clock_mono() + 10 * PA_NS_PER_S) ? "over" : "gone");
	waited++;
	waiting--;
}

static void handle_block(const struct pa_http_req *req PA_UNUSED, struct pa_http_resp *resp)
{
	blocked++;
	while (block)
		usleep(1000);
	blocked--;
	pa_sink_puts(pa_http_body(resp), "unblocked");
}

/* /fail?n=N: an error behind N bytes. */
static void handle_fail(const struct pa_http_req *req, struct pa_http_resp *resp)
{
	pa_http_header(resp, "Content-Disposition", "attachment");
	pa_http_header(resp, "Bad", "a\r\nInjected: 1");
	handle_body(req, resp);
	pa_http_error(resp, 500, "it failed");
}

static const struct pa_route routes[] = {
	{"/body", 0, handle_body}, {"/echo", PA_ROUTE_POST, handle_echo},
	{"/wait", 0, handle_wait}, {"/block", 0, handle_block},
	{"/fail", 0, handle_fail}, {NULL, 0, NULL},
};
static const struct pa_exporter exporter = {"test", routes};
static const struct pa_exporter *const exporters[] = {&exporter};

/* --- starting and stopping it -------------------------------------------------------------------- */

static _Atomic int spawn_error;

struct job {
	void (*run)(void *);
	void *arg;
};

static void *job_main(void *arg)
{
	struct job job = *(struct job *)arg;

	free(arg);
	job.run(job.arg);
	return NULL;
}

static int spawn(const char *name PA_UNUSED, void (*run)(void *), void *arg)
{
	struct job *job = malloc(sizeof(*job));
	pthread_t thread;

	if (spawn_error) {
		free(job);
		return spawn_error;
	}
	*job = (struct job){run, arg};
	if (pthread_create(&thread, NULL, job_main, job))
		abort();
	pthread_detach(thread);
	return 0;
}

static pthread_t server;
static uint16_t port;

static void *server_main(void *arg PA_UNUSED)
{
	pa_http_server_run(spawn);
	return NULL;
}

static bool wait_for(_Atomic int *value, int want)
{
	for (int i = 0; i < 10000 && *value != want; i++)
		usleep(1000);
	return *value == want;
}

static void server_begin(char *const *env)
{
	pa_config_load(env, NULL);
	pthread_create(&server, NULL, server_main, NULL);
}

static bool server_wait(void)
{
	for (int i = 0; i < 5000 && !(port = pa_http_server_port()); i++)
		usleep(1000);
	return port != 0;
}

static void server_end(void)
{
	pa_http_server_stop();
	pthread_join(server, NULL);
}

/* --- a client ------------------------------------------------------------------------------------ */

static int dial_buffer(int rcvbuf)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (rcvbuf)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int dial(void)
{
	return dial_buffer(0);
}

static void say(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		printf("# send: %s\n", strerror(errno));
}

static char answer[1 << 20];
static bool reset; /* the last connection ended in an error, not in a FIN */

/* Reads until the other side closes or nothing comes for `patience_ms`. Returns what came, also in
 * `answer`; *closed (may be NULL) says which of both it was. */
static size_t hear(int fd, int patience_ms, bool *closed)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t n = 0;
	ssize_t r = 1;

	while (n < sizeof(answer) - 1 && poll(&p, 1, patience_ms) > 0) {
		r = recv(fd, answer + n, sizeof(answer) - 1 - n, 0);
		if (r <= 0)
			break;
		n += (size_t)r;
	}
	answer[n] = '\0';
	reset = r < 0;
	if (closed)
		*closed = r <= 0;
	return n;
}

/* Reads until `text` has come. */
static bool hear_until(int fd, const char *text)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t n = 0;

	answer[0] = '\0';
	while (!strstr(answer, text) && n < sizeof(answer) - 1 && poll(&p, 1, 5000) > 0) {
		ssize_t r = recv(fd, answer + n, sizeof(answer) - 1 - n, 0);

		if (r <= 0)
			break;
		n += (size_t)r;
		answer[n] = '\0';
	}
	return strstr(answer, text) != NULL;
}

#define BASE       "/debug/pprof"
#define GET(path)  "GET " BASE path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define LAST(path) "GET " BASE path " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

/* One request on a connection of its own, to its end. */
static const char *ask(const char *request)
{
	int fd = dial();

	say(fd, request);
	hear(fd, 5000, NULL);
	close(fd);
	return answer;
}

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static bool has(const char *part)
{
	return strstr(answer, part) != NULL;
}

static const char *body_of(const char *text)
{
	const char *at = strstr(text, "\r\n\r\n");

	return at ? at + 4 : "";
}

static int count(const char *part)
{
	int n = 0;

	for (const char *at = answer; (at = strstr(at, part)); at += strlen(part))
		n++;
	return n;
}

/* --- tests --------------------------------------------------------------------------------------- */

static void check_framing(void)
{
	int fd;

	ask(LAST("/body?n=0"));
	ok(begins(answer, "HTTP/1.1 200 OK\r\n") && has("Content-Length: 0\r\n"), "empty body");
	ok(has("Connection: close\r\n") && has("\r\nDate: ") && !has("Server:"), "common headers");
	ask(LAST("/body?n=2048&piece=1"));
	ok(has("Content-Length: 2048\r\n") && !has("chunked"), "2 KiB have a length");
	is_int(strlen(body_of(answer)), 2048, "... and come whole");
	ask(LAST("/body?n=2049"));
	ok(has("Transfer-Encoding: chunked\r\n") && !has("Content-Length"), "more comes in chunks");
	ok(begins(body_of(answer), "800\r\nxxx") && has("xxx\r\n1\r\nx\r\n0\r\n\r\n"),
	   "... framed");
	ask(LAST("/body?n=100000&piece=777"));
	is_int(count("\r\n4000\r\n"), 5, "large bodies go in chunks of 16 KiB");
	ask("GET " BASE "/body?n=5 HTTP/1.0\r\n\r\n");
	ok(begins(answer, "HTTP/1.0 200 OK\r\n") && has("Content-Length: 5\r\n"),
	   "HTTP/1.0, small");
	ok(!has("Connection:"), "... closes without saying so, as Go");
	ask("GET " BASE "/body?n=50000 HTTP/1.0\r\n\r\n");
	ok(!has("chunked") && !has("Content-Length"), "HTTP/1.0, large: the end of the connection");
	is_int(strlen(body_of(answer)), 50000, "... ends the body");
	ask("HEAD " BASE "/body?n=77 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	ok(has("403 Forbidden"), "a Host that is not local");
	ask("HEAD " BASE "/body?n=77 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
	ok(has("Content-Length: 77\r\n") && !*body_of(answer), "HEAD of a small body");
	ask("HEAD " BASE "/body?n=7777 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
	ok(!has("Content-Length") && !has("chunked") && !*body_of(answer), "HEAD of a large one");
	ask(LAST("/fail"));
	ok(has("500 Internal") && has("X-Go-Pprof: 1\r\n") && has("nosniff"), "an error");
	ok(!has("Content-Disposition") && !has("Injected"),
	   "... without what does not belong there");
	is_str(body_of(answer), "it failed\n", "... text");
	ask(LAST("/fail?n=100"));
	is_str(body_of(answer), "it failed\n", "an error takes back what has not been sent");
	fd = dial();
	say(fd, GET("/fail?n=50000"));
	hear(fd, 2000, NULL);
	ok(has("200 OK") && !has("\r\n0\r\n\r\n"), "an error in the middle leaves no proper end");
	close(fd);
}

static void check_connections(void)
{
	static const char slow[] = GET("/echo?slow");
	bool closed;
	int fd = dial();

	say(fd, GET("/echo?1"));
	ok(hear_until(fd, " 1 ") || hear_until(fd, "0 1 "), "first on a connection");
	say(fd, GET("/echo?2"));
	ok(hear_until(fd, "0 2 "), "second on the same");
	say(fd,
	    GET("/echo?3") GET("/body?n=5000") "HEAD " BASE
					       "/echo?4 HTTP/1.1\r\nHost: localhost\r\n\r\n" LAST(
						       "/echo?5"));
	hear(fd, 5000, &closed);
	ok(closed, "Connection: close is kept");
	is_int(count("HTTP/1.1 200 OK"), 4, "four pipelined requests have four answers");
	ok(strstr(answer, "0 3 ") && strstr(answer, "0 5 ") > strstr(answer, "0 3 "), "in order");
	close(fd);

	fd = dial();
	for (size_t i = 0; i < strlen(slow); i++) {
		send(fd, slow + i, 1, MSG_NOSIGNAL);
		usleep(100);
	}
	ok(hear_until(fd, "0 slow "), "byte by byte");
	close(fd);

	fd = dial();
	say(fd, "GET " BASE "/echo?a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	ok(hear_until(fd, "0 a ") && has("Connection: keep-alive\r\n"), "HTTP/1.0 with keep-alive");
	say(fd, "GET " BASE "/echo?b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	ok(hear_until(fd, "0 b "), "... again");
	say(fd, "GET " BASE "/body?n=5000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	hear(fd, 5000, &closed);
	ok(closed && !has("keep-alive"), "... ends with a body that has no length");
	close(fd);

	fd = dial();
	say(fd, GET("/nothing") GET("/echo?after"));
	ok(hear_until(fd, "0 after "), "a 404 does not end the connection");
	close(fd);
	fd = dial();
	say(fd, "GET / HTTP/1.1\r\n\r\n" GET("/echo?after"));
	hear(fd, 5000, &closed);
	ok(closed && has("400 Bad Request: missing required Host header") && !has("after"),
	   "a 400 does");
	close(fd);
	fd = dial();
	say(fd, "\x16\x03\x01\x02");
	hear(fd, 5000, &closed);
	ok(closed && has("400 Bad Request"), "a TLS greeting gets an answer at once");
	close(fd);
}

#define POST(path) "POST " BASE path " HTTP/1.1\r\nHost: localhost\r\n"

static void check_bodies(void)
{
	static char big[300000];
	bool closed;
	int fd = dial();

	say(fd, POST("/echo?p") "Content-Length: 5\r\n\r\nhello" GET("/echo?next"));
	ok(hear_until(fd, "next "), "a body and the request behind it");
	ok(has("2 p hello"), "... arrive where they should");
	say(fd, POST("/echo") "Content-Length: 2\r\n\r\nhi\r\n\r\n" GET("/echo?forgiven"));
	ok(hear_until(fd, "forgiven "), "line ends behind a POST are forgiven");
	say(fd, POST("/echo") "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: "
			      "v\r\n\r\n");
	ok(hear_until(fd, "2  abcde"), "a body in chunks");
	say(fd, POST("/echo") "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
	ok(hear_until(fd, "100 Continue\r\n\r\n"), "100 Continue");
	say(fd, "body");
	ok(hear_until(fd, "2  body"), "... and then the body");
	say(fd,
	    "GET " BASE
	    "/echo?g HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc" GET("/echo?h"));
	ok(hear_until(fd, "0 h ") && has("0 g ") && !has("abc"), "a GET's body is thrown away");
	say(fd, POST("/body") "Content-Length: 3\r\n\r\nabc" GET("/echo?i"));
	ok(hear_until(fd, "0 i ") && has("405 Method") && has("Allow: GET, HEAD\r\n"),
	   "POST where there is none");
	memset(big, 'Q', sizeof(big) - 1);
	big[200000] = '\0';
	say(fd,
	    "GET " BASE "/echo?j HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n");
	say(fd, big);
	say(fd, GET("/echo?k"));
	ok(hear_until(fd, "0 k ") && has("0 j "), "... also 200 KB of it");
	say(fd, POST("/body") "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	hear(fd, 5000, &closed);
	ok(closed && has("405 Method") && !has("100 Continue"), "... does not ask for the body");
	close(fd);

	fd = dial();
	say(fd, POST("/echo") "Content-Length: 8388609\r\n\r\n");
	hear(fd, 5000, &closed);
	ok(closed && has("413 "), "a body that is too long is refused at once");
	close(fd);
	fd = dial();
	say(fd, POST("/echo") "Transfer-Encoding: chunked\r\n\r\nzz\r\n");
	hear(fd, 5000, &closed);
	ok(closed && has("400 "), "malformed chunks");
	close(fd);
	fd = dial();
	say(fd,
	    "GET " BASE "/echo?l HTTP/1.1\r\nHost: localhost\r\nContent-Length: 299999\r\n\r\n");
	say(fd, big);
	hear(fd, 5000, &closed);
	ok(closed && has("0 l ") && has("Connection: close"), "... but not 300 KB");
	ok(!reset, "... and the connection is not reset under the answer");
	close(fd);
	big[200000] = 'Q';
	fd = dial();
	say(fd, POST("/echo") "Content-Length: 299999\r\n\r\n");
	say(fd, big);
	ok(hear_until(fd, "\r\n0\r\n\r\n"), "a large body comes back");
	is_int(count("Q"), 299999, "... all of it");
	close(fd);
}

static void check_gone(void)
{
	uint64_t start;
	int fd = dial();

	waited = 0;
	say(fd, GET("/wait"));
	ok(wait_for(&waiting, 1), "a window runs");
	say(fd, GET("/echo?pipelined"));
	usleep(60000);
	is_int(waiting, 1, "a pipelined request does not end it");
	start = pa_clock_mono();
	ask(LAST("/echo?other"));
	ok(pa_clock_mono() - start < 50 * PA_NS_PER_MS, "others are answered meanwhile");
	start = pa_clock_mono();
	close(fd);
	ok(wait_for(&waited, 1) && pa_clock_mono() - start < 500 * PA_NS_PER_MS,
	   "the client leaving does, behind pipelined bytes too");
}

/* Nobody reads megabytes; somebody else is answered within 50 ms. */
static void check_slow_reader(void)
{
	int slow[4];
	uint64_t worst = 0;

	for (int i = 0; i < 4; i++) {
		slow[i] = dial_buffer(4096);
		say(slow[i], GET("/body?n=50000000"));
	}
	usleep(20000);
	for (int i = 0; i < 20; i++) {
		uint64_t start = pa_clock_mono(), took;

		ask(LAST("/echo?quick"));
		took = pa_clock_mono() - start;
		worst = PA_MAX(worst, took);
	}
	ok(worst < 50 * PA_NS_PER_MS, "slow readers hold nobody up (worst %d us)",
	   (int)(worst / 1000));
	for (int i = 0; i < 4; i++)
		close(slow[i]);
}

static void check_crowd(void)
{
	static int fds[500];
	char text[64];
	int answered = 0;
	int fd = dial();

	say(fd, "GET ");
	for (int i = 0; i < 500; i++)
		fds[i] = dial();
	ask(LAST("/echo?crowd"));
	ok(has("0 crowd "), "500 idle connections do not keep others out");
	for (int i = 499; i >= 0 && i > 480; i--) {
		snprintf(text, sizeof(text), GET("/echo?%d"), i);
		say(fds[i], text);
		snprintf(text, sizeof(text), "0 %d ", i);
		answered += hear_until(fds[i], text);
	}
	is_int(answered, 19, "the newest ones are still served");
	say(fd, BASE "/echo?reader HTTP/1.1\r\nHost: localhost\r\n\r\n");
	ok(hear_until(fd, "0 reader "), "who has begun to ask is spared while others idle");
	for (int i = 0; i < 500; i++)
		close(fds[i]);
	close(fd);
}

static void check_busy(void)
{
	static int fds[70];
	bool closed;
	int extra, more = 0;

	block = 1;
	pa_http_patience.queue = 200 * PA_NS_PER_MS;
	for (int i = 0; i < PA_HTTP_WORKERS; i++) {
		fds[i] = dial();
		say(fds[i], GET("/block"));
	}
	ok(wait_for(&blocked, PA_HTTP_WORKERS), "all workers are busy");
	extra = dial();
	say(extra, GET("/echo?late"));
	hear(extra, 5000, &closed);
	ok(closed && has("503 Service") && has("Retry-After: ") && has("X-Go-Pprof: 1"),
	   "who waits too long is told to come again");
	close(extra);

	pa_http_patience.queue = 20 * PA_NS_PER_S;
	for (int i = PA_HTTP_WORKERS; i < PA_HTTP_CONNS; i++) {
		fds[i] = dial();
		say(fds[i], GET("/echo?queued"));
	}
	/* Those are complete when one more is refused at once. */
	for (int i = 0; i < 200 && !more; i++) {
		extra = dial();
		hear(extra, 10, &closed);
		more = closed && has("503 Service") && has("too many connections");
		close(extra);
	}
	ok(more, "no room for another connection: 503 at once");
	block = 0;
	ok(hear_until(fds[PA_HTTP_CONNS - 1], "0 queued "), "those that waited are served");
	ok(hear_until(fds[0], "unblocked"), "... and those that blocked");
	for (int i = 0; i < PA_HTTP_CONNS; i++)
		close(fds[i]);
	wait_for(&blocked, 0);
	pa_http_patience.queue = 5 * PA_NS_PER_S;
}

/* Clients that take nothing must not keep the others waiting. */
static void check_readers(void)
{
	struct pa_http_patience usual = pa_http_patience;
	int fds[PA_HTTP_WORKERS], fd;

	pa_http_patience.crowd = 100 * PA_NS_PER_MS;
	for (int i = 0; i < PA_HTTP_WORKERS; i++) {
		fds[i] = dial_buffer(4096);
		say(fds[i], GET("/body?n=50000000"));
	}
	fd = dial();
	say(fd, GET("/echo?crowd"));
	ok(hear_until(fd, "0 crowd "), "who waits gets the worker of one that reads nothing");
	close(fd);
	for (int i = 0; i < PA_HTTP_WORKERS; i++)
		close(fds[i]);
	pa_http_patience = usual;
}

static void check_patience(void)
{
	struct pa_http_patience usual = pa_http_patience;
	size_t total = 0, n;
	bool closed;
	int fd = dial();

	pa_http_patience.head = 100 * PA_NS_PER_MS;
	pa_http_patience.body = 100 * PA_NS_PER_MS;
	pa_http_patience.write = 100 * PA_NS_PER_MS;
	say(fd, "GET ");
	for (int i = 0; i < 20; i++) {
		usleep(10000);
		send(fd, "a", 1, MSG_NOSIGNAL);
	}
	hear(fd, 2000, &closed);
	ok(closed && has("408 Request Timeout"), "a head that drips");
	close(fd);
	fd = dial();
	say(fd, POST("/echo") "Content-Length: 10\r\n\r\nabc");
	hear(fd, 2000, &closed);
	ok(closed && has("408 Request Timeout"), "a body that does not come");
	close(fd);
	pa_http_patience.idle = 100 * PA_NS_PER_MS;
	fd = dial();
	hear(fd, 2000, &closed);
	ok(closed && !*answer, "an idle connection ends without a word");
	close(fd);
	fd = dial_buffer(4096);
	say(fd, GET("/body?n=50000000"));
	usleep(300000);
	do
		total += n = hear(fd, 500, &closed);
	while (n && !closed);
	ok(total < 50000000 && closed, "an answer that nobody reads is cut");
	close(fd);
	pa_http_patience = usual;
}

/* A head without an end, and a target without one. */
static void check_long(void)
{
	static char big[40000];
	bool closed;
	int fd = dial();

	memset(big, 'a', sizeof(big) - 1);
	say(fd, "GET / HTTP/1.1\r\nHost: ");
	say(fd, big);
	hear(fd, 5000, &closed);
	ok(closed && has("431 Request Header Fields Too Large"), "a head of more than 16 KiB");
	close(fd);
	fd = dial();
	say(fd, "GET /");
	say(fd, big);
	hear(fd, 5000, &closed);
	ok(closed && has("414 Request URI Too Long"), "a request line of more than 16 KiB");
	close(fd);
	big[16200] = '\0';
	fd = dial();
	say(fd, "GET //");
	say(fd, big);
	say(fd, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
	hear(fd, 5000, &closed);
	ok(closed && has("301 Moved") && count("aaaaaaaaaa") > 1600, "the longest redirect");
	close(fd);
}

/* Descriptors of this process that are sockets or pipes in the agent's range. */
static int agent_fds(int *fds, int max)
{
	struct stat st;
	int n = 0;

	for (int fd = 1000; fd < 1200 && n < max; fd++)
		if (fstat(fd, &st) == 0)
			fds[n++] = fd;
	return n;
}

/* What daemons do when they start: everything above 2 is closed, and soon used for something else. */
static void check_closefrom(const char *dir)
{
	char path[256], text[16] = "";
	uint16_t before = port;
	int fds[200], n = agent_fds(fds, 200), again = 0, files[200];

	ok(n >= 3, "the server has descriptors above 1000 (%d)", n);
	for (int i = 0; i < n; i++)
		close(fds[i]);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/file%d", dir, i);
		files[i] = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (files[i] != fds[i] && dup2(files[i], fds[i]) == fds[i])
			close(files[i]);
	}
	for (int i = 0; i < 300 && !again; i++) {
		int fd = dial();

		if (fd >= 0) {
			say(fd, LAST("/echo?again"));
			again = hear_until(fd, "0 again ");
			close(fd);
		}
		usleep(10000);
	}
	ok(again, "it listens again");
	is_int(pa_http_server_port(), before, "... on the same port");
	again = 0;
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/file%d", dir, i);
		again += fcntl(fds[i], F_GETFD) < 0;
		again += pread(fds[i], text, sizeof(text), 0) != 0;
		close(fds[i]);
		unlink(path);
	}
	is_int(again, 0, "the files under the old numbers are open and untouched");
}

static void check_fork(void)
{
	int fds[200], n, status = 1, fd = dial();
	pid_t pid;

	say(fd, GET("/echo?parent"));
	hear_until(fd, "0 parent ");
	n = agent_fds(fds, 200);
	pid = fork();
	if (pid == 0) {
		int left[200];

		pa_http_server_fork_child();
		if (agent_fds(left, 200) || pa_http_server_port())
			_exit(1);
		server_begin((char *[]){(char[]){"PPROF_PORT=0"}, NULL});
		if (!server_wait() || !strstr(ask(LAST("/echo?child")), "0 child "))
			_exit(2);
		server_end();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	is_int(status, 0, "a forked child forgets the sockets and can serve on its own");
	is_int(agent_fds(fds, 200), n, "the parent keeps its own");
	say(fd, GET("/echo?still"));
	ok(hear_until(fd, "0 still "), "... and its connections");
	close(fd);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * PA_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* RLIMIT_NOFILE at `limit`, as programs set it that lock themselves in: nothing can be accepted,
 * and poll(2) refuses to look at more descriptors than that. */
static void check_no_descriptors(rlim_t limit)
{
	struct rlimit usual, few;
	uint64_t cpu;
	int open_before = dial(), fd;

	say(open_before, GET("/echo?open"));
	hear_until(open_before, "0 open ");
	fd = dial_buffer(0);
	getrlimit(RLIMIT_NOFILE, &usual);
	few = usual;
	few.rlim_cur = limit;
	setrlimit(RLIMIT_NOFILE, &few);
	say(open_before, GET("/body?n=5000000"));
	cpu = cpu_ns();
	usleep(400000);
	cpu = cpu_ns() - cpu;
	ok(cpu < 100 * PA_NS_PER_MS, "limit of %d descriptors: no spinning (%d us of CPU)",
	   (int)limit, (int)(cpu / 1000));
	setrlimit(RLIMIT_NOFILE, &usual);
	say(fd, LAST("/echo?late"));
	ok(hear_until(fd, "0 late "), "... and who waited is served");
	close(fd);
	close(open_before);
}

/* All descriptors are in use: accept(2) fails, and poll(2) goes on saying that somebody waits. */
static void check_all_descriptors_used(void)
{
	static int fill[300];
	struct rlimit usual, few;
	bool served;
	uint64_t cpu;
	int n = 0, fd;

	getrlimit(RLIMIT_NOFILE, &usual);
	few = usual;
	few.rlim_cur = 200;
	setrlimit(RLIMIT_NOFILE, &few);
	while (n < 300 && (fill[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	close(fill[--n]);
	fd = dial();
	say(fd, LAST("/echo?late"));
	cpu = cpu_ns();
	hear(fd, 400, NULL);
	cpu = cpu_ns() - cpu;
	/* Served at once where an older connection's end made room. */
	served = strstr(answer, "0 late ");
	ok(cpu < 100 * PA_NS_PER_MS, "no descriptor to be had: no spinning (%d us)",
	   (int)(cpu / 1000));
	setrlimit(RLIMIT_NOFILE, &usual);
	ok(served || hear_until(fd, "0 late "), "... and later who waited is served");
	while (n)
		close(fill[--n]);
	close(fd);
}

static void check_no_threads(void)
{
	bool refused = false, closed;

	spawn_error = -EAGAIN;
	for (int i = 0; i < 20 && !refused; i++) {
		int fd = dial();

		usleep(100000); /* longer than workers stay */
		say(fd, LAST("/echo?x"));
		hear(fd, 7000, &closed);
		refused = closed && has("503 Service") && has("no thread");
		close(fd);
	}
	ok(refused, "no thread to be had: 503");
	spawn_error = 0;
	ask(LAST("/echo?x"));
	ok(has("0 x "), "... and later there is one");
}

static void check_stop(void)
{
	uint64_t start;
	int fd = dial();

	waited = 0;
	say(fd, GET("/wait"));
	ok(wait_for(&waiting, 1), "a request is being answered");
	start = pa_clock_mono();
	server_end();
	ok(pa_clock_mono() - start < 100 * PA_NS_PER_MS, "stops within 100 ms");
	ok(wait_for(&waited, 1), "the handler has noticed");
	is_int(pa_http_server_port(), 0, "no port any more");
	is_int(dial(), -1, "nobody listens");
	close(fd);
}

/* The whole log so far. */
static const char *log_text(const char *path)
{
	static char text[1 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	close(fd);
	return text;
}

static bool log_waits_for(const char *path, const char *what)
{
	for (int i = 0; i < 3000; i++) {
		if (strstr(log_text(path), what))
			return true;
		usleep(1000);
	}
	return false;
}

static void check_port_taken(const char *log, char *log_env)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char port_env[32];

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(taken, (struct sockaddr *)&a, sizeof(a)) || listen(taken, 1) ||
	    getsockname(taken, (struct sockaddr *)&a, &len))
		abort();
	snprintf(port_env, sizeof(port_env), "PPROF_PORT=%d", ntohs(a.sin_port));
	server_begin((char *[]){port_env, log_env, NULL});
	ok(log_waits_for(log, "is taken by another program"), "says that the port is taken");
	is_int(pa_http_server_port(), 0, "... and does not listen");
	close(taken);
	ok(server_wait() && port == ntohs(a.sin_port), "takes it when it is free");
	server_end();
}

static void check_open_to_all(const char *log, char *log_env)
{
	server_begin((char *[]){(char[]){"PPROF_PORT=0"}, (char[]){"PPROF_HOST=0.0.0.0"}, log_env,
				NULL});
	ok(log_waits_for(log, "not listening without PPROF_PASSWORD or PPROF_TOKEN"),
	   "not open to the world without credentials");
	is_int(pa_http_server_port(), 0, "... no port");
	server_end();
	server_begin((char *[]){(char[]){"PPROF_PORT=0"}, (char[]){"PPROF_HOST=*"},
				(char[]){"PPROF_TOKEN=s3cret"}, (char[]){"PPROF_LOG=info"}, log_env,
				NULL});
	ok(server_wait(), "with credentials it is");
	ask("GET " BASE "/echo?x HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n");
	ok(has("401 Unauthorized") && has("WWW-Authenticate: Basic realm=\"pprof\"\r\n") &&
		   has("X-Go-Pprof: 1"),
	   "401");
	ask("GET " BASE "/echo?x HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n"
	    "Authorization: Bearer s3cret\r\n\r\n");
	ok(has("0 x "), "the token opens, under any Host");
	ok(log_waits_for(log, "GET /debug/pprof/echo 200 4 "), "the access log has a line");
	ok(!strstr(log_text(log), "s3cret"), "... and no secret");
	server_end();
}

int main(void)
{
	char dir[] = "/tmp/profagent-http-XXXXXX", log[64], log_env[96];
	struct rlimit r = {4096, 4096};

	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = PA_MIN(r.rlim_max, 4096);
	setrlimit(RLIMIT_NOFILE, &r);
	if (r.rlim_cur < 2000)
		tap_skip_all("fewer than 2000 descriptors are allowed");
	if (!mkdtemp(dir))
		abort();
	snprintf(log, sizeof(log), "%s/log", dir);
	snprintf(log_env, sizeof(log_env), "PPROF_LOG_FILE=%s", log);
	pa_registry_init(NULL, 0, exporters, 1);
	pa_http_patience.worker = 50 * PA_NS_PER_MS;

	server_begin((char *[]){(char[]){"PPROF_PORT=0"}, NULL});
	if (!ok(server_wait(), "listens"))
		return tap_done();
	check_framing();
	check_connections();
	check_bodies();
	check_gone();
	check_slow_reader();
	check_crowd();
	check_busy();
	check_patience();
	check_readers();
	check_long();
	check_closefrom(dir);
	check_fork();
	check_no_descriptors(0);
	check_no_descriptors(3);
	check_all_descriptors_used();
	check_no_threads();
	check_stop();
	check_port_taken(log, log_env);
	check_open_to_all(log, log_env);
	unlink(log);
	rmdir(dir);
	return tap_done();
}
