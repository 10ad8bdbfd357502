/* SPDX-License-Identifier: Apache-2.0
 * Goes where the agent cannot follow by name, as root: attack_root chroot DIRECTORY | setns */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#include "test/programs/host.h"

static int locked_up(const char *directory)
{
	if (chroot(directory) || chdir("/") || setgid(65534) || setuid(65534))
		return 3;
	puts("locked up");
	fflush(stdout);
	host_burn_until(host_clock(CLOCK_MONOTONIC) + 60000000000u);
	return 0;
}

/* Refused to threads that share root and working directory with others. */
static int same_namespace(void)
{
	int fd;

	host_burn(300);
	fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	printf("setns: %d\n", fd < 0 ? -2 : setns(fd, CLONE_NEWNS));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "chroot"))
		return locked_up(argv[2]);
	host_wait_file("HOST_GO");
	return argc == 2 && !strcmp(argv[1], "setns") ? same_namespace() : 2;
}
