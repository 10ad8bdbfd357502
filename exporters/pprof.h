/* SPDX-License-Identifier: Apache-2.0
 * Profiles in the format of `go tool pprof`: gzip'ed profile.proto. */
#ifndef PA_EXPORTERS_PPROF_H
#define PA_EXPORTERS_PPROF_H

#include "agent/base/compiler.h"

struct pa_http_req;
struct pa_http_resp;
struct pa_pprof;
struct pa_profile;
struct pa_sink;

/* Leave lines empty and has_functions false, for readers that have symbols of their own. Pseudo
 * frames and kernel frames keep their names: nobody else could tell them. */
#define PA_PPROF_NO_SYMBOLS 0x1u

/* Prepares a profile for encoding: names every address and takes all memory that is needed, so
 * that nothing but the sink can fail afterwards. `p` must stay unchanged until the free.
 * 0 or -errno. Agent thread only. */
int pa_pprof_new(const struct pa_profile *p, unsigned flags, struct pa_pprof **ret) PA_CHECKED;

/* Writes the file, once. 0 or the sink's error, -errno. Agent thread only. */
int pa_pprof_write(struct pa_pprof *e, struct pa_sink *out) PA_CHECKED;

void pa_pprof_free(struct pa_pprof *e); /* NULL is fine */

/* Answers a request with the profile as an attachment of that name, or with an error. Obeys
 * ?symbolize=0. Agent thread only. */
void pa_pprof_respond(const struct pa_http_req *req, struct pa_http_resp *resp,
		      const struct pa_profile *p, const char *filename);

#endif
