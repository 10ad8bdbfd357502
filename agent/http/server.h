/* SPDX-License-Identifier: Apache-2.0
 * The server: one thread accepts and reads requests, a few workers answer them. */
#ifndef PA_HTTP_SERVER_H
#define PA_HTTP_SERVER_H

#include <stdint.h>

#include "agent/base/compiler.h"

/* How the server starts a worker: a detached thread that blocks all signals and is hidden from
 * every profile. 0 or -errno. */
typedef int (*pa_spawn_fn)(const char *name, void (*run)(void *), void *arg);

/* Binds and listens according to pa_config(), serves the routes of the registry's exporters, and
 * returns only when pa_http_server_stop was called. While the port is taken it tries again once a
 * second (said once). Agent thread only. */
void pa_http_server_run(pa_spawn_fn spawn);

/* What the thread in pa_http_server_run is to do besides, at least once a second. NULL: nothing.
 * Before pa_http_server_run. */
void pa_http_server_each_round(void (*fn)(void));

/* Makes pa_http_server_run return within 100 ms; open requests are cut. Any thread. */
void pa_http_server_stop(void);

/* The TCP port in use, 0 while there is none. Any thread. */
uint16_t pa_http_server_port(void);

/* In a forked child, single-threaded: closes inherited sockets that are still ours and forgets
 * connections and workers. */
void pa_http_server_fork_child(void);

#endif
