/* SPDX-License-Identifier: Apache-2.0
 * A program that thinks all descriptors are its own.
 *
 *	host_fds close       closes all above 2, twice, and uses the numbers again
 *	host_fds dup         puts its own files on every number there is
 *	host_fds undumpable  takes its /proc files away from everybody but root, as after setuid
 *	host_fds limit       with an RLIMIT_NOFILE of 16 */
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "test/programs/host.h"

#define FILES 40

static ino_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

static void close_all(void)
{
	if (syscall(SYS_close_range, 3u, ~0u, 0u)) {
		for (int fd = 3; fd < 65536; fd++)
			close(fd);
	}
}

/* Work for about `ms` during which the descriptors [first, first + count) must stay what they are. */
static void watch(int first, int count, unsigned ms)
{
	static ino_t inodes[65536];
	int changed = 0;

	for (int i = 0; i < count; i++)
		inodes[i] = inode_of(first + i);
	for (unsigned done = 0; done < ms; done += 50) {
		host_burn(50);
		for (int i = 0; i < count; i++)
			changed += inode_of(first + i) != inodes[i];
	}
	printf("changed %d\n", changed);
}

static void closes(void)
{
	char name[] = "/tmp/profagent-host-fds.XXXXXX", byte = 0;
	int file = mkstemp(name), pair[2];

	unlink(name);
	for (int round = 0; round < 2; round++) {
		close_all();
		host_burn(60);
		for (int i = 0; i < FILES; i++) {
			if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
				host_die("socketpair");
		}
		watch(3, 2 * FILES, host_ms(600));
		/* Nobody else has read or written there. */
		for (int fd = 3; fd < 3 + 2 * FILES; fd++) {
			if (read(fd, &byte, 1) != -1 || errno != EAGAIN)
				printf("%d: somebody has written\n", fd);
		}
	}
	close(file);
}

static void dups(void)
{
	struct rlimit lim;
	int mine = open("/dev/null", O_RDWR), count;

	getrlimit(RLIMIT_NOFILE, &lim);
	count = lim.rlim_cur < 4096 ? (int)lim.rlim_cur : 4096;
	for (int fd = 3; fd < count; fd++) {
		if (fd != mine && dup2(mine, fd) != fd)
			host_die("dup2");
	}
	watch(3, count - 3, host_ms(600));
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	struct rlimit lim = {16, 16};

	if (!strcmp(mode, "undumpable") && prctl(PR_SET_DUMPABLE, 0))
		host_die("prctl");
	if (!strcmp(mode, "limit") && setrlimit(RLIMIT_NOFILE, &lim))
		host_die("setrlimit");
	host_wait_file("HOST_GO");
	if (!strcmp(mode, "close"))
		closes();
	else if (!strcmp(mode, "dup"))
		dups();
	else
		watch(0, 3, host_ms(600));
	host_wait_file("HOST_END");
	printf("end\n");
	return 0;
}
