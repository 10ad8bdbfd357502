/* SPDX-License-Identifier: Apache-2.0
 * Whole files, small files, descriptors out of the way. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/file.h"
#include "test/tap.h"

static char dir[] = "/tmp/profagent-file.XXXXXX";
static char path[64];

static const char *in_dir(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *name, size_t len)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char byte;

	for (size_t i = 0; i < len; i++) {
		byte = (char)('a' + i % 23);
		if (write(fd, &byte, 1) != 1)
			abort();
	}
	close(fd);
}

static int open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static bool content(const char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (buf[i] != (char)('a' + i % 23))
			return false;
	}
	return true;
}

static void test_read(void)
{
	static const size_t lengths[] = {0, 1, 4095, 4096, 65533, 65534, 65535, 65536, 140000};
	size_t used = pa_mem_used();

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		char *buf = NULL;
		size_t cap = 0, len = 0;

		write_file("plain", lengths[i]);
		ok(pa_file_read(in_dir("plain"), lengths[i], &buf, &cap, &len) == 0 &&
			   len == lengths[i] && cap > len && !buf[len] && content(buf, len),
		   "%zu bytes, as many as allowed", lengths[i]);
		pa_pages_free(buf, cap);
		if (!lengths[i])
			continue;
		buf = NULL;
		cap = len = 99;
		ok(pa_file_read(in_dir("plain"), lengths[i] - 1, &buf, &cap, &len) == -EFBIG &&
			   !buf && cap == 99 && len == 99,
		   "%zu bytes, one too many", lengths[i]);
	}
	is_int(pa_mem_used(), used, "failures keep no memory");
}

static void test_failures(void)
{
	char *buf = NULL;
	size_t cap = 99, len = 99, used = pa_mem_used();

	errno = 1234;
	is_int(pa_file_read(in_dir("missing"), 100, &buf, &cap, &len), -ENOENT, "no file");
	is_int(pa_file_read(dir, 100, &buf, &cap, &len), -EISDIR, "a directory");
	write_file("plain", 100000);
	pa_mem_limit_set(used + (64 << 10));
	is_int(pa_file_read(in_dir("plain"), SIZE_MAX, &buf, &cap, &len), -ENOMEM, "no memory");
	pa_mem_limit_set(used);
	is_int(pa_file_read(in_dir("plain"), SIZE_MAX, &buf, &cap, &len), -ENOMEM, "none at all");
	pa_mem_limit_set((size_t)64 << 20);
	ok(!buf && cap == 99 && len == 99, "the outputs are untouched");
	is_int(errno, 1234, "errno is kept");
	is_int(pa_mem_used(), used, "nothing is lost");
	mkfifo(in_dir("fifo"), 0600);
	is_int(pa_file_read(in_dir("fifo"), 100, &buf, &cap, &len), 0, "a FIFO without writer");
	is_int(len, 0, "is empty");
	pa_pages_free(buf, cap);
}

static void test_proc(void)
{
	char *buf;
	size_t cap, len;

	is_int(pa_file_read("/proc/self/status", 1 << 20, &buf, &cap, &len), 0, "a file of /proc");
	ok(len > 100 && strstr(buf, "\nVmRSS:"), "is read to its end");
	pa_pages_free(buf, cap);
}

static void test_small(void)
{
	char buf[16];

	write_file("small", 10);
	memset(buf, 'Z', sizeof(buf));
	is_int(pa_file_read_small(in_dir("small"), buf, sizeof(buf)), 10, "a small file");
	ok(content(buf, 10) && !buf[10] && buf[11] == 'Z', "terminated");
	is_int(pa_file_read_small(in_dir("small"), buf, 11), 10, "that just fits");
	memset(buf, 'Z', sizeof(buf));
	is_int(pa_file_read_small(in_dir("small"), buf, 5), 4, "a larger one");
	ok(content(buf, 4) && !buf[4] && buf[5] == 'Z', "is cut and terminated");
	memset(buf, 'Z', sizeof(buf));
	is_int(pa_file_read_small(in_dir("small"), buf, 0), -EINVAL, "no room");
	is_int(pa_file_read_small(in_dir("missing"), buf, 5), -ENOENT, "no file");
	is_int(pa_file_read_small(dir, buf, 5), -EISDIR, "a directory");
	ok(buf[0] == 'Z', "the buffer is untouched");
	is_int(pa_file_read_small(in_dir("small"), buf, 1), 0, "room for the NUL only");
	is_str(buf, "", "which is there");
}

static void set_limit(rlim_t n)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = n < limit.rlim_max ? n : limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int duplicate_of_null(void)
{
	return open("/dev/null", O_RDONLY); /* without O_CLOEXEC: pa_fd_high has to set it */
}

static void test_high(void)
{
	struct rlimit limit;
	int fd, high, again;

	getrlimit(RLIMIT_NOFILE, &limit);
	set_limit(4096);
	fd = duplicate_of_null();
	high = pa_fd_high(fd);
	ok(high >= 1000 || limit.rlim_max <= 1000, "moved up (%d)", high);
	ok(high != fd && !is_open(fd), "the low one is closed");
	is_int(fcntl(high, F_GETFD), FD_CLOEXEC, "close-on-exec");
	again = pa_fd_high(duplicate_of_null());
	ok(again > high, "a second one above it");
	close(again);
	close(high);

	set_limit(40);
	high = pa_fd_high(duplicate_of_null());
	ok(high >= 30 && high < 40, "where the limit is low, in its top quarter (%d)", high);
	close(high);
	is_int(pa_fd_high(-EMFILE), -EMFILE, "errors are passed through");

	fd = duplicate_of_null();
	set_limit((rlim_t)fd + 1);
	is_int(pa_fd_high(fd), fd, "no room above: the same");
	is_int(fcntl(fd, F_GETFD), FD_CLOEXEC, "but close-on-exec");
	close(fd);

	set_limit(3);
	close(0);
	fd = duplicate_of_null();
	is_int(fd, 0, "the host has closed 0");
	is_int(pa_fd_high(fd), 0, "no room at all");
	set_limit(40);
	high = pa_fd_high(fd);
	ok(high >= 3 && !is_open(0), "with room it does not stay there");
	close(high);
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(void)
{
	int before;

	if (!mkdtemp(dir))
		return 1;
	before = open_descriptors();
	test_read();
	test_failures();
	test_proc();
	test_small();
	is_int(open_descriptors(), before, "no descriptor is left open");
	test_high();
	unlink(in_dir("plain"));
	unlink(in_dir("fifo"));
	unlink(in_dir("small"));
	is_int(rmdir(dir), 0, "cleans up");
	return tap_done();
}
