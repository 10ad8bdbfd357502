/* SPDX-License-Identifier: Apache-2.0
 * profagent-symbolize -e FILE. */
#include "agent/symbolize/command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/compiler.h"
#include "agent/base/log.h"
#include "agent/symbolize/guard.h"
#include "agent/symbolize/lookup.h"
#include "agent/symbolize/module.h"
#include "agent/symbolize/protocol.h"

struct batch {
	uint64_t addrs[PA_SYMBOLIZE_ADDRS]; /* as they were given */
	uint32_t order[PA_SYMBOLIZE_ADDRS]; /* by address */
	char *texts[PA_SYMBOLIZE_ADDRS];    /* in the order given */
	size_t count;
};

/* For qsort, which has no argument for it. */
static const struct batch *sorting;

static int compare(const void *a, const void *b)
{
	uint64_t x = sorting->addrs[*(const uint32_t *)a], y = sorting->addrs[*(const uint32_t *)b];

	return (x > y) - (x < y);
}

static void keep_address(void *arg, size_t index, const struct pa_dbg_frame *frames, size_t count)
{
	struct batch *b = arg;
	size_t size;
	FILE *f = open_memstream(&b->texts[b->order[index]], &size);

	if (!f)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct pa_dbg_function *fn = frames[i].function;

		fprintf(f, "%s\t%s\t%s:%" PRIu32 ":%" PRIu32 "\t%" PRIu32 "\n", fn->name,
			fn->system_name, fn->file[0] ? fn->file : "??", frames[i].line,
			frames[i].column, fn->start_line);
	}
	fclose(f);
}

static void no_pause(void *arg)
{
	(void)arg;
}

static int run(const struct pa_dbg_object *o, struct batch *b)
{
	const struct pa_dbg_sink sink = {keep_address, no_pause, b};
	uint64_t *sorted = malloc(sizeof(b->addrs));

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < b->count; i++)
		b->order[i] = (uint32_t)i;
	sorting = b;
	qsort(b->order, b->count, sizeof(*b->order), compare);
	for (size_t i = 0; i < b->count; i++)
		sorted[i] = b->addrs[b->order[i]];
	pa_dbg_lookup(o, sorted, b->count, &sink);
	for (size_t i = 0; i < b->count; i++) {
		printf("%s\n", b->texts[i] ? b->texts[i] : "");
		free(b->texts[i]);
		b->texts[i] = NULL;
	}
	b->count = 0;
	free(sorted);
	return fflush(stdout) ? -EIO : 0;
}

static int add(const struct pa_dbg_object *o, struct batch *b, const char *text)
{
	char *end;

	errno = 0;
	b->addrs[b->count] = strtoull(text, &end, 16);
	if (errno || end == text || end[strspn(end, " \t\r\n")]) {
		fprintf(stderr, "profagent-symbolize: '%s' is no hexadecimal address\n", text);
		return -EINVAL;
	}
	return ++b->count == PA_SYMBOLIZE_ADDRS ? run(o, b) : 0;
}

int pa_dbg_command(const char *file, char *const *addrs, int count)
{
	struct batch *b = calloc(1, sizeof(*b));
	char *path = realpath(file, NULL), line[128];
	struct pa_dbg_object o = {open(file, O_RDONLY | O_CLOEXEC), "", path ? path : ""};
	int r = 0;

	if (!b || o.fd < 0) {
		fprintf(stderr, "profagent-symbolize: %s: %s\n", file, pa_errno_text(errno));
		r = -ENOENT;
	}
	for (int i = 0; r == 0 && i < count; i++)
		r = add(&o, b, addrs[i]);
	while (r == 0 && !count && fgets(line, sizeof(line), stdin))
		r = add(&o, b, line);
	if (r == 0)
		r = run(&o, b);
	free(b);
	free(path);
	return r < 0;
}
