/* SPDX-License-Identifier: Apache-2.0
 * listen_port PORT: listens on 127.0.0.1:PORT, accepts, and says nothing, for ever. Ends with 3 when
 * somebody else has the port. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	addr.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 16)) {
		perror("listen_port");
		return 3;
	}
	for (;;)
		accept(fd, NULL, NULL);
}
