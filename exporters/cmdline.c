/* SPDX-License-Identifier: Apache-2.0
 * /cmdline: the arguments joined by NUL, none behind the last, as Go writes os.Args. */
#include <string.h>

#include "agent/base/file.h"
#include "agent/base/parse.h"
#include "agent/base/peek.h"
#include "agent/core/exporter.h"
#include "agent/http/http.h"

#define CMDLINE_MAX ((size_t)8 << 20) /* a quarter of the stack limit at most, execve(2) */

/* How many arguments the program was started with; 0: not known. Field 28 of /proc/PID/stat is
 * where the kernel put the stack, and argc is the first word there (proc(5); Linux fills it in
 * for every ELF program). Behind the last ')' no name can confuse the counting. */
static uint64_t arg_count(void)
{
	char stat[2048];
	const char *at, *end;
	uint64_t stack = 0;
	long argc;

	if (pa_file_read_small("/proc/thread-self/stat", stat, sizeof(stat)) <= 0)
		return 0;
	end = stat + strlen(stat);
	at = strrchr(stat, ')');
	for (int field = 2; at && field < 28; field++) {
		at = strchr(at, ' ');
		if (at)
			at++;
	}
	if (!at || !pa_scan_u64(&at, end, 10, &stack) || !stack ||
	    pa_peek_all((uintptr_t)stack, &argc, sizeof(argc)) < 0 || argc < 1)
		return 0;
	return (uint64_t)argc;
}

/* The length without the NUL behind the last argument. A program that wrote its title over the
 * arguments (setproctitle, nginx, PostgreSQL) leaves a run of them, and then the number of
 * strings is not that of the arguments any more. */
static size_t trimmed(const char *text, size_t len)
{
	uint64_t strings = 0;

	if (!len || text[len - 1])
		return len;
	for (size_t i = 0; i < len; i++)
		strings += !text[i];
	if (strings == arg_count())
		return len - 1;
	while (len && !text[len - 1])
		len--;
	return len;
}

static void cmdline_handle(const struct pa_http_req *req PA_UNUSED, struct pa_http_resp *resp)
{
	char *text = NULL;
	size_t cap = 0, len = 0;
	/* The process' own entry is empty once the main thread has left with pthread_exit. */
	int err = pa_file_read("/proc/thread-self/cmdline", CMDLINE_MAX, &text, &cap, &len);

	if (err < 0) {
		pa_http_error(resp, 500, "cannot read the command line");
		return;
	}
	pa_http_header(resp, "X-Content-Type-Options", "nosniff");
	pa_http_header(resp, "Content-Type", "text/plain; charset=utf-8");
	pa_sink_write(pa_http_body(resp), text, trimmed(text, len));
	pa_pages_free(text, cap);
}

static const struct pa_route routes[] = {
	{"/cmdline", 0, cmdline_handle},
	{NULL, 0, NULL},
};

const struct pa_exporter pa_exporter_cmdline = {
	.name = "cmdline",
	.routes = routes,
};
