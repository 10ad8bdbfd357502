/* SPDX-License-Identifier: Apache-2.0
 * The listening socket: where it may be bound, when the port is taken, when the host closes it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/fmt.h"
#include "agent/base/log.h"
#include "agent/core/config.h"
#include "agent/core/self.h"
#include "agent/http/conn.h"

#define BACKLOG 1024 /* the kernel caps it at net.core.somaxconn */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* config.c lets nothing else through: "localhost", "*" or a numeric address. */
static socklen_t address_of(const char *host, uint16_t port, union address *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!strcmp(host, "*"))
		host = "::";
	else if (!strcmp(host, "localhost"))
		host = "127.0.0.1";
	if (inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons(port);
		return sizeof(ret->v6);
	}
	ret->v4.sin_family = AF_INET;
	ret->v4.sin_port = htons(port);
	if (inet_pton(AF_INET, host, &ret->v4.sin_addr) != 1)
		ret->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sizeof(ret->v4);
}

static bool is_loopback(const union address *a)
{
	if (a->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
	return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
}

/* The socket or -errno. */
static int listen_on(const union address *a, socklen_t len)
{
	int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd < 0)
		return -errno;
	/* Connections of an earlier run in TIME_WAIT must not keep the port. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (a->any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int));
	if (bind(fd, &a->any, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int open_socket(const struct pa_config *cfg, uint16_t port)
{
	union address a;
	socklen_t len = address_of(cfg->host, port, &a);
	int fd = listen_on(&a, len);

	/* "*" means every address there is; without IPv6 that is IPv4's. */
	if ((fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) && !strcmp(cfg->host, "*")) {
		len = address_of("0.0.0.0", port, &a);
		fd = listen_on(&a, len);
	}
	return fd;
}

static uint16_t port_of(int fd)
{
	union address a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.any, &len) < 0)
		return 0;
	return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

/* Whether the settings allow to listen at all; says why not. */
static bool allowed(const struct pa_config *cfg)
{
	union address a;

	address_of(cfg->host, 0, &a);
	if (cfg->auth_failed) /* config.c has said why */
		return false;
	if (is_loopback(&a) || *cfg->password || *cfg->token)
		return true;
	pa_warn("PPROF_HOST=%s can be reached from other machines: not listening without "
		"PPROF_PASSWORD or PPROF_TOKEN",
		cfg->host);
	return false;
}

static void failed(struct pa_listener *l, const struct pa_config *cfg, int err, uint64_t now)
{
	/* In a forked worker it is the parent that has the port: nothing is wrong. */
	enum pa_log_level level = pa_self_get(PA_SELF_forks) ? PA_LOG_INFO : PA_LOG_WARN;

	l->retry = now + PA_NS_PER_S;
	if (err == l->said)
		return;
	l->said = err;
	if (err == -EADDRINUSE)
		pa_log(level,
		       "port %u on %s is taken by another program: trying again every second",
		       (unsigned)cfg->port, cfg->host);
	else
		pa_log(level, "cannot listen on %s port %u: %s; trying again every second",
		       cfg->host, (unsigned)cfg->port, pa_errno_text(err));
}

static void succeeded(struct pa_listener *l, const struct pa_config *cfg)
{
	bool v6 = strchr(cfg->host, ':');

	l->port = port_of(l->sock.fd);
	l->said = 0;
	l->retry = 0;
	atomic_store_explicit(&pa_http_port, l->port, memory_order_release);
	pa_info("listening on http://%s%s%s:%u%s/", v6 ? "[" : "", cfg->host, v6 ? "]" : "",
		(unsigned)l->port, cfg->prefix);
}

void pa_listener_ensure(struct pa_listener *l, uint64_t now)
{
	const struct pa_config *cfg = pa_config();
	int fd;

	if (pa_own_fd_ours(&l->sock))
		return;
	if (l->sock.fd >= 0) {
		pa_listener_close(l);
		pa_info("the program has closed the listening socket: opening another");
	}
	if (l->refused || now < l->retry)
		return;
	if (!allowed(cfg)) {
		l->refused = true;
		return;
	}
	/* Once a free port was chosen, those who know it should find us there again. */
	fd = open_socket(cfg, l->port ? l->port : cfg->port);
	if (fd < 0 && l->port != cfg->port)
		fd = open_socket(cfg, cfg->port);
	if (fd < 0) {
		failed(l, cfg, fd, now);
		return;
	}
	pa_own_fd_take(&l->sock, fd);
	if (l->sock.fd >= 0)
		succeeded(l, cfg);
}

int pa_listener_accept(struct pa_listener *l)
{
	int fd;

	if (!pa_own_fd_ours(&l->sock))
		return -EBADF;
	do {
		fd = accept4(l->sock.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		/* These belong to the one connection that did not come about, accept(2). */
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED || errno == EPROTO));
	return fd < 0 ? -errno : fd;
}

void pa_listener_close(struct pa_listener *l)
{
	pa_own_fd_close(&l->sock);
	atomic_store_explicit(&pa_http_port, 0, memory_order_release);
}
