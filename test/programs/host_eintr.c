/* SPDX-License-Identifier: Apache-2.0
 * Threads that wait in every call that a signal handler ends with EINTR (SA_RESTART or not,
 * signal(7)), for long and for moments, with some work in between; and threads that watch errno.
 *
 *	host_eintr SECONDS */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "test/programs/host.h"

static uint64_t deadline;
static _Atomic int interrupted, errno_changes, rounds;
static sem_t never;
static int sockets[2], epoll_fd;

static int by_nanosleep(unsigned ms)
{
	return nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static int by_clock_nanosleep(unsigned ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

	errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
	return errno ? -1 : 0;
}

static int by_usleep(unsigned ms)
{
	return usleep(ms * 1000);
}

static int by_poll(unsigned ms)
{
	return poll(NULL, 0, (int)ms);
}

static int by_select(unsigned ms)
{
	return select(0, NULL, NULL, NULL, &(struct timeval){ms / 1000, ms % 1000 * 1000});
}

static int by_epoll_wait(unsigned ms)
{
	struct epoll_event e;

	return epoll_wait(epoll_fd, &e, 1, (int)ms);
}

static int by_sem_timedwait(unsigned ms)
{
	uint64_t until = host_clock(CLOCK_REALTIME) + ms * 1000000ull;
	struct timespec t = {(time_t)(until / 1000000000u), (long)(until % 1000000000u)};

	return sem_timedwait(&never, &t);
}

static int by_recv(unsigned ms)
{
	struct timeval t = {ms / 1000, ms % 1000 * 1000};
	char byte;

	setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	return (int)recv(sockets[0], &byte, 1, 0);
}

static int by_sigtimedwait(unsigned ms)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return sigtimedwait(&set, NULL, &(struct timespec){ms / 1000, ms % 1000 * 1000000L});
}

static int (*const waits[])(unsigned) = {
	by_nanosleep,  by_clock_nanosleep, by_usleep, by_poll,        by_select,
	by_epoll_wait, by_sem_timedwait,   by_recv,   by_sigtimedwait};
#define WAITS ((int)(sizeof(waits) / sizeof(*waits)))

static void *waiter(void *arg)
{
	int (*const wait)(unsigned) = *(int (*const *)(unsigned))arg;

	for (unsigned i = 0; host_clock(CLOCK_MONOTONIC) < deadline; i++) {
		errno = 0;
		if (wait(i % 16 ? 1 : 300) < 0 && errno == EINTR)
			interrupted++;
		host_spin(50000); /* so that ticks fall before, into and behind the call */
		rounds++;
	}
	return NULL;
}

static void *watcher(void *arg)
{
	int mine = (int)(intptr_t)arg;

	errno = mine;
	while (host_clock(CLOCK_MONOTONIC) < deadline) {
		host_spin(30000);
		if (errno != mine) {
			errno_changes++;
			errno = mine;
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[WAITS + 2];

	sem_init(&never, 0, 0);
	epoll_fd = epoll_create1(0);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		host_die("socketpair");
	host_wait_file("HOST_GO");
	deadline = host_clock(CLOCK_MONOTONIC) +
		   host_ms(1000) * (argc > 1 ? strtoull(argv[1], NULL, 10) : 3) * 1000000;
	for (int i = 0; i < WAITS; i++)
		pthread_create(&threads[i], NULL, waiter, (void *)(uintptr_t)&waits[i]);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[WAITS + i], NULL, watcher, (void *)(intptr_t)(4711 + i));
	for (int i = 0; i < WAITS + 2; i++)
		pthread_join(threads[i], NULL);
	printf("interrupted calls: %d\n", interrupted);
	printf("changes of errno: %d\n", errno_changes);
	printf("enough: %s\n", rounds > 20 ? "yes" : "no");
	return 0;
}
