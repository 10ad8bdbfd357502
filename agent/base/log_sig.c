/* SPDX-License-Identifier: Apache-2.0
 * The log. A host thread may be cancelled, be in a handler on a small stack, or have stderr full
 * or closed and reused: a line is lost rather than any of that made worse. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "agent/base/file.h"
#include "agent/base/fmt.h"
#include "agent/base/log.h"
#include "agent/base/syscall.h"

#define LINE_BYTES  1024
#define LINE_COUNT  4
#define SHORT_BYTES 256
#define STDERR      2

/* Lines are composed here rather than on the stack of whoever has something to say. */
struct line {
	_Atomic bool taken;
	char text[LINE_BYTES];
};

static struct line lines[LINE_COUNT];
static _Atomic int log_level = PA_LOG_WARN;
static const char *_Atomic log_path;

/* What stderr was at the start; inode 0: not known. Written by pa_log_setup only. */
static struct {
	uint64_t dev, ino;
} first_stderr;

void pa_log_setup(enum pa_log_level level, const char *path)
{
	struct stat st;

	if (pa_sys(SYS_fstat, STDERR, &st) == 0) {
		first_stderr.dev = st.st_dev;
		first_stderr.ino = st.st_ino;
	}
	atomic_store_explicit(&log_path, path, memory_order_release);
	atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

int pa_log_enabled(enum pa_log_level level)
{
	return level != PA_LOG_OFF &&
	       (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

/* A host that closes descriptor 2 may get it back for a database file or a connection. Safe are
 * what it was at the start, terminals and /dev/null, and files opened for appending (a log that
 * the host redirected itself to). */
static bool stderr_is_safe(void)
{
	struct stat st;
	long flags;

	if (pa_sys(SYS_fstat, STDERR, &st) < 0)
		return false;
	if (S_ISCHR(st.st_mode) || !first_stderr.ino ||
	    (st.st_ino == first_stderr.ino && st.st_dev == first_stderr.dev))
		return true;
	flags = pa_sys(SYS_fcntl, STDERR, F_GETFL, 0);
	return S_ISREG(st.st_mode) && flags >= 0 && flags & O_APPEND;
}

/* A pipe that can be written holds PIPE_BUF (4096) bytes at least, so a line does not block. */
static bool ready(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	struct timespec now = {0};

	return pa_sys(SYS_ppoll, &p, 1, &now, NULL, 0) == 1 && p.revents == POLLOUT;
}

/* 0 or the error of write(2); what cannot be written at once is dropped. */
static long write_all(int fd, const char *text, size_t len)
{
	/* Each turn but interrupted ones moves on; ready() makes both rare. */
	for (int turns = 0; len && turns < 16 && ready(fd); turns++) {
		long n = pa_sys(SYS_write, fd, text, len);

		if (n < 0 && n != -EINTR)
			return n;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* Masks as the kernel has them. */
static uint64_t signal_bit(int sig)
{
	return 1ull << (sig - 1);
}

/* A pipe whose reader has just gone and a file beyond RLIMIT_FSIZE send the writing thread
 * SIGPIPE or SIGXFSZ, which must not reach the host: taken back unless one was waiting before. */
static void write_quietly(int fd, const char *text, size_t len)
{
	uint64_t ours = signal_bit(SIGPIPE) | signal_bit(SIGXFSZ);
	uint64_t old, before = 0;
	struct timespec now = {0};

	if (pa_sys(SYS_rt_sigprocmask, SIG_BLOCK, &ours, &old, sizeof(ours)) < 0)
		return;
	pa_sys(SYS_rt_sigpending, &before, sizeof(before));
	ours &= ~before;
	if (write_all(fd, text, len) < 0)
		pa_sys(SYS_rt_sigtimedwait, &ours, NULL, &now, sizeof(ours));
	pa_sys(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
}

/* A descriptor below 3 would be taken for the standard one that the host has closed. */
static int open_log(const char *path)
{
	int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
	int fd = (int)pa_sys(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);

	return fd < 3 ? pa_fd_high(fd) : fd;
}

static void emit(const char *text, size_t len)
{
	const char *path = atomic_load_explicit(&log_path, memory_order_acquire);
	int fd = path && *path ? open_log(path) : -1;

	if (fd >= 0) {
		write_quietly(fd, text, len);
		pa_sys(SYS_close, fd);
	} else if (stderr_is_safe()) {
		write_quietly(STDERR, text, len);
	}
}

/* Text may quote file names and the environment: no second line, no terminal sequences. */
static void make_printable(char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			s[i] = '?';
	}
}

static void compose_and_emit(char *text, size_t size, const char *fmt, va_list ap)
{
	size_t len = pa_fmt(text, size, "profagent[%d]: ", (int)pa_sys(SYS_getpid));

	len += pa_vfmt(text + len, size - len, fmt, ap);
	len = PA_MIN(len, size - 1);
	make_printable(text, len);
	text[len] = '\n';
	emit(text, len + 1);
}

/* For when all lines are being written, or their writers were lost in a fork. */
static __attribute__((noinline)) void log_short(const char *fmt, va_list ap)
{
	char text[SHORT_BYTES];

	compose_and_emit(text, sizeof(text), fmt, ap);
}

void pa_log(enum pa_log_level level, const char *fmt, ...)
{
	struct line *l = NULL;
	va_list ap;

	if (!pa_log_enabled(level))
		return;
	for (int i = 0; i < LINE_COUNT && !l; i++) {
		if (!atomic_exchange_explicit(&lines[i].taken, true, memory_order_acquire))
			l = &lines[i];
	}
	va_start(ap, fmt);
	if (l) {
		compose_and_emit(l->text, sizeof(l->text), fmt, ap);
		atomic_store_explicit(&l->taken, false, memory_order_release);
	} else {
		log_short(fmt, ap);
	}
	va_end(ap);
}
