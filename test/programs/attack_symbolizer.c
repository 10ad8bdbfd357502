/* SPDX-License-Identifier: Apache-2.0
 * A program that does what a process may do while another one reads debug information for it.
 *
 *	attack_symbolizer exec N      execs itself N times
 *	attack_symbolizer fork N      forks N children; each says whether it has a socket of its
 *	                              parent's, and a few outlive it
 *	attack_symbolizer burn        uses the CPU
 *
 * The address of one of its functions is written to the file in $ATTACK_ADDRESS. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "test/programs/host.h"

#define OUTLIVE_S 20

static void publish_address(void)
{
	const char *path = getenv("ATTACK_ADDRESS");
	char text[32];
	int fd = path ? open(path, O_CREAT | O_WRONLY, 0600) : -1;

	if (fd < 0)
		return;
	/* In one write, of one length: a reader sees the old one or the new one. */
	snprintf(text, sizeof(text), "0x%012lx", (unsigned long)(uintptr_t)host_burn + 32);
	if (write(fd, text, strlen(text)) < 0)
		host_die("write");
	close(fd);
}

static int count_unix_sockets(void)
{
	struct sockaddr_storage address;
	int n = 0;

	for (int fd = 0; fd < 2000; fd++) {
		socklen_t size = sizeof(address);

		n += !getsockname(fd, (struct sockaddr *)&address, &size) &&
		     address.ss_family == AF_UNIX;
	}
	return n;
}

static int fork_children(int n)
{
	int strangers = 0, sockets = 0, status;

	for (int i = 0; i < n; i++) {
		pid_t child = fork(), got;

		if (!child && i % (n / 4) == 0 && fork() == 0) {
			setsid();
			sleep(OUTLIVE_S);
			_exit(0);
		}
		if (!child)
			_exit(count_unix_sockets() > 0);
		got = wait(&status);
		strangers += got != child;
		sockets += !WIFEXITED(status) || WEXITSTATUS(status);
		host_burn(5);
	}
	printf("strangers %d, sockets %d, then %d", strangers, sockets, wait(NULL));
	printf(" %s\n", strerror(errno));
	return 0;
}

static int exec_again(char **argv, int n)
{
	char left[16];
	pid_t got;

	host_burn(150);
	if (n > 0) {
		snprintf(left, sizeof(left), "%d", n - 1);
		execl("/proc/self/exe", argv[0], argv[1], left, NULL);
		host_die("exec");
	}
	got = waitpid(-1, NULL, WNOHANG);
	printf("wait %d %s\n", (int)got, strerror(errno));
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 0;

	publish_address();
	if (!strcmp(mode, "exec"))
		return exec_again(argv, n);
	if (!strcmp(mode, "fork")) {
		host_wait_file("HOST_GO");
		return fork_children(n);
	}
	for (;;)
		host_burn(1000);
}
