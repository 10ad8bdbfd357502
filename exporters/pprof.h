/* SPDX-License-Identifier: Apache-2.0
 * Profiles in the format of `go tool pprof`: gzip'ed profile.proto. */
#ifndef PA_EXPORTERS_PPROF_H
#define PA_EXPORTERS_PPROF_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct pa_http_req;
struct pa_http_resp;
struct pa_pprof;
struct pa_profile;
struct pa_sink;

enum pa_pprof_symbolize {
	/* Locations have no lines, mappings no flags, for readers that have symbols of their own.
	 * Pseudo frames and kernel frames keep their names: nobody else could tell them. */
	PA_PPROF_SYMBOLIZE_NONE,
	PA_PPROF_SYMBOLIZE_NAMES, /* of functions */
	PA_PPROF_SYMBOLIZE_LINES, /* and files, lines, inlined functions */
};

struct pa_pprof_options {
	enum pa_pprof_symbolize symbolize;
	/* Time for line numbers, 0: as befits the profile. What takes longer has names only. */
	uint64_t budget_ns;
};

/* Prepares a profile for encoding: names every address and takes all memory that is needed, so
 * that nothing but the sink can fail afterwards. `p` must stay unchanged until the free.
 * 0 or -errno. Agent thread only. */
int pa_pprof_new(const struct pa_profile *p, const struct pa_pprof_options *options,
		 struct pa_pprof **ret) PA_CHECKED;

/* Writes the file, once. 0 or the sink's error, -errno. Agent thread only. */
int pa_pprof_write(struct pa_pprof *e, struct pa_sink *out) PA_CHECKED;

void pa_pprof_free(struct pa_pprof *e); /* NULL is fine */

/* What a request asks for by ?symbolize=none|names|lines, or else PPROF_SYMBOLIZE; to be called before
 * the profile is collected. False when that is a bad word, which has been answered. */
bool pa_pprof_asked(const struct pa_http_req *req, struct pa_http_resp *resp,
		    struct pa_pprof_options *ret) PA_CHECKED;

/* Answers with the profile as an attachment of that name, or with an error. Agent thread only. */
void pa_pprof_respond(struct pa_http_resp *resp, const struct pa_profile *p,
		      const struct pa_pprof_options *asked, const char *filename);

#endif
