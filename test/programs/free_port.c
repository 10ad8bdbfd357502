/* SPDX-License-Identifier: Apache-2.0
 * Prints a TCP port of 127.0.0.1 that nobody uses, as bind(0) found it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

int main(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len)) {
		perror("free_port");
		return 1;
	}
	printf("%u\n", ntohs(addr.sin_port));
	return 0;
}
