/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/host/proc.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "agent/base/file.h"
#include "agent/base/fmt.h"
#include "agent/base/parse.h"

/* The number behind "\nKey:" and blanks; `otherwise` when the line is missing. */
static uint64_t field(const char *text, size_t len, const char *key, unsigned base,
		      uint64_t otherwise)
{
	const char *at = memmem(text, len, key, strlen(key)), *end = text + len;
	uint64_t value;

	if (!at)
		return otherwise;
	at += strlen(key);
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return pa_scan_u64(&at, end, base, &value) ? value : otherwise;
}

int pa_proc_thread_status(pid_t tid, struct pa_thread_status *ret)
{
	char path[64], text[4096];
	ssize_t len;

	pa_fmt(path, sizeof(path), "/proc/self/task/%d/status", (int)tid);
	len = pa_file_read_small(path, text, sizeof(text));
	if (len < 0)
		return len == -ENOENT ? -ESRCH : (int)len;
	ret->blocked = field(text, (size_t)len, "\nSigBlk:", 16, 0);
	ret->seccomp = (uint32_t)field(text, (size_t)len, "\nSeccomp:", 10, 0);
	ret->seccomp_filters = (uint32_t)field(text, (size_t)len, "\nSeccomp_filters:", 10, 0);
	return 0;
}
