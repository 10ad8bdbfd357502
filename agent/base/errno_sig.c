/* SPDX-License-Identifier: Apache-2.0
 * Names of errors (errno(3)). */
#include <errno.h>

#include "agent/base/fmt.h"
#include "agent/base/log.h"

#define E(name, text) [name] = #name " (" text ")"

static const char *const texts[] = {
	E(EPERM, "operation not permitted"),
	E(ENOENT, "no such file or directory"),
	E(ESRCH, "no such process"),
	E(EINTR, "interrupted"),
	E(EIO, "input/output error"),
	E(ENXIO, "no such device or address"),
	E(E2BIG, "argument list too long"),
	E(ENOEXEC, "not an executable format"),
	E(EBADF, "bad file descriptor"),
	E(ECHILD, "no child process"),
	E(EAGAIN, "resource temporarily unavailable"),
	E(ENOMEM, "out of memory"),
	E(EACCES, "permission denied"),
	E(EFAULT, "bad address"),
	E(EBUSY, "busy"),
	E(EEXIST, "already exists"),
	E(EXDEV, "other file system"),
	E(ENODEV, "no such device"),
	E(ENOTDIR, "not a directory"),
	E(EISDIR, "is a directory"),
	E(EINVAL, "invalid argument"),
	E(ENFILE, "too many open files in the system"),
	E(EMFILE, "too many open files"),
	E(ENOTTY, "not a terminal"),
	E(ETXTBSY, "file is being executed"),
	E(EFBIG, "file too large"),
	E(ENOSPC, "no space left on device"),
	E(ESPIPE, "cannot seek"),
	E(EROFS, "read-only file system"),
	E(EMLINK, "too many links"),
	E(EPIPE, "broken pipe"),
	E(EDOM, "outside the domain"),
	E(ERANGE, "out of range"),
	E(EDEADLK, "deadlock avoided"),
	E(ENAMETOOLONG, "name too long"),
	E(ENOLCK, "no locks available"),
	E(ENOSYS, "not implemented"),
	E(ENOTEMPTY, "directory not empty"),
	E(ELOOP, "too many symbolic links"),
	E(ENODATA, "no data"),
	E(ETIME, "timer expired"),
	E(EPROTO, "protocol error"),
	E(EBADMSG, "malformed message"),
	E(EOVERFLOW, "value too large"),
	E(ENOTSOCK, "not a socket"),
	E(EDESTADDRREQ, "destination address required"),
	E(EMSGSIZE, "message too long"),
	E(EPROTOTYPE, "wrong protocol for the socket"),
	E(ENOPROTOOPT, "protocol not available"),
	E(EPROTONOSUPPORT, "protocol not supported"),
	E(EOPNOTSUPP, "operation not supported"),
	E(EAFNOSUPPORT, "address family not supported"),
	E(EADDRINUSE, "address in use"),
	E(EADDRNOTAVAIL, "address not available"),
	E(ENETDOWN, "network is down"),
	E(ENETUNREACH, "network unreachable"),
	E(ECONNABORTED, "connection aborted"),
	E(ECONNRESET, "connection reset"),
	E(ENOBUFS, "no buffer space"),
	E(EISCONN, "already connected"),
	E(ENOTCONN, "not connected"),
	E(ETIMEDOUT, "timed out"),
	E(ECONNREFUSED, "connection refused"),
	E(EHOSTDOWN, "host is down"),
	E(EHOSTUNREACH, "host unreachable"),
	E(EALREADY, "already in progress"),
	E(EINPROGRESS, "in progress"),
	E(ESTALE, "stale file handle"),
	E(EDQUOT, "disk quota exceeded"),
	E(ECANCELED, "cancelled"),
	E(EOWNERDEAD, "owner died"),
	E(ENOTRECOVERABLE, "state not recoverable"),
};

const char *pa_errno_text(int err)
{
	static PA_TLS char other[24];
	unsigned n = err < 0 ? -(unsigned)err : (unsigned)err;

	if (n < PA_ARRAY_LEN(texts) && texts[n])
		return texts[n];
	pa_fmt(other, sizeof(other), "error %u", n);
	return other;
}
