/* SPDX-License-Identifier: Apache-2.0
 * All of profagent-symbolize but its socket: files, lines and inlined functions of addresses in a
 * small program. The input is the program's size (two bytes), the program, and the one other file
 * that there is, under each name: a .dwo file, a supplementary or a debug file. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/compiler.h"
#include "agent/symbolize/find.h"
#include "agent/symbolize/lookup.h"
#include "agent/symbolize/module.h"
#include "agent/symbolize/protocol.h"

#define CPU_MS 5000
#define ADDRS  64
#define FIRST  0x250 /* where the seeds have their code */
#define STEP   8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* As the process's limit does: too much memory is refused, and no crash. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1:max_allocation_size_mb=512";
}

static struct {
	bool active;
	const uint8_t *bytes;
	size_t size;
	char looked_at[8][PATH_MAX]; /* paths known to be regular files, the last ones */
	size_t looks;
} other;

static void check(bool good)
{
	if (!good)
		abort();
}

/* In place of libc's, for libdw as well. */
int stat(const char *path, struct stat *ret)
{
	if (!other.active)
		return (int)syscall(SYS_newfstatat, AT_FDCWD, path, ret, 0);
	if (!other.size || strlen(path) >= PATH_MAX) {
		errno = ENOENT;
		return -1;
	}
	*ret = (struct stat){.st_mode = S_IFREG};
	memcpy(other.looked_at[other.looks++ % PA_ARRAY_LEN(other.looked_at)], path,
	       strlen(path) + 1);
	return 0;
}

static bool was_looked_at(const char *path)
{
	for (size_t i = 0; i < other.looks && i < PA_ARRAY_LEN(other.looked_at); i++) {
		if (!strcmp(path, other.looked_at[i]))
			return true;
	}
	return false;
}

/* Nobody opens what may be a pipe: that it is a regular file was looked up. */
int open(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;
	int fd;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (!other.active)
		return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (!other.size || strlen(path) >= PATH_MAX) {
		errno = ENOENT;
		return -1;
	}
	check((flags & O_ACCMODE) == O_RDONLY && was_looked_at(path));
	fd = memfd_create("other", MFD_CLOEXEC);
	check(fd >= 0 && write(fd, other.bytes, other.size) == (ssize_t)other.size);
	return fd;
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

char *realpath(const char *path, char *buf)
{
	check(!buf);
	return path[0] == '/' ? strdup(path) : NULL;
}

static bool given[ADDRS];

static void take_address(void *arg, size_t index, const struct pa_dbg_frame *frames, size_t count)
{
	(void)arg;
	check(index < ADDRS && !given[index] && count && count <= PA_SYMBOLIZE_LINES);
	given[index] = true;
	for (size_t i = 0; i < count; i++) {
		const struct pa_dbg_function *f = frames[i].function;

		check(f->name[0] && strlen(f->name) <= PA_SYMBOLIZE_TEXT);
		check(f->system_name[0] && strlen(f->system_name) <= PA_SYMBOLIZE_TEXT);
		check(strlen(f->file) < PATH_MAX);
	}
}

static void no_pause(void *arg)
{
	(void)arg;
}

/* Without pa_dbg_guard_setup: faults are to be seen. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	pa_dbg_find_root_set("/debug-root");
	unsetenv("DEBUGINFOD_CACHE_PATH");
	unsetenv("XDG_CACHE_HOME");
	unsetenv("HOME");
	return 0;
}

static void look_up(const struct pa_dbg_object *o)
{
	const struct pa_dbg_sink sink = {take_address, no_pause, NULL};
	const clock_t start = clock();
	uint64_t addrs[ADDRS];

	for (size_t i = 0; i < ADDRS; i++)
		addrs[i] = FIRST + STEP * i;
	addrs[0] = 0;
	addrs[ADDRS - 1] = UINT64_MAX;
	memset(given, 0, sizeof(given));
	other.active = true;
	other.looks = 0;
	pa_dbg_lookup(o, addrs, ADDRS, &sink);
	other.active = false;
	check((clock() - start) / (CLOCKS_PER_SEC / 1000) < CPU_MS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pa_dbg_object o = {.build_id = "", .path = "/usr/bin/prog"};
	size_t first;

	if (size < 2)
		return 0;
	first = PA_MIN((size_t)data[0] | (size_t)data[1] << 8, size - 2);
	other.bytes = data + 2 + first;
	other.size = size - 2 - first;
	o.fd = memfd_create("program", MFD_CLOEXEC);
	check(o.fd >= 0 && write(o.fd, data + 2, first) == (ssize_t)first);
	look_up(&o);
	look_up(&o); /* from the cache */
	close(o.fd);
	return 0;
}
