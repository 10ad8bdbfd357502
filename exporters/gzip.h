/* SPDX-License-Identifier: Apache-2.0
 * A sink that compresses (RFC 1952) into another one, as Go's gzip writer does: no time, no name,
 * OS 255. All of zlib's memory comes from the agent's budget, once, in init. */
#ifndef PA_EXPORTERS_GZIP_H
#define PA_EXPORTERS_GZIP_H

#include <zlib.h>

#include "agent/base/arena.h"
#include "agent/base/compiler.h"
#include "agent/base/sink.h"

struct pa_gzip {
	struct pa_sink sink; /* write here; total counts bytes before compression */
	struct pa_sink *out; /* compressed bytes; the caller sets it before the first write */
	z_stream stream;
	gz_header header;
	struct pa_arena arena;
	unsigned char *input, *output;
	size_t pending; /* bytes in input */
};

#define PA_GZIP_FASTEST 1  /* Go's level for profiles */
#define PA_GZIP_DEFAULT -1 /* Go's level for delta profiles */

/* Any thread; the object must stay where it is. 0, or -ENOMEM with nothing to free. */
int pa_gzip_init(struct pa_gzip *z, int level) PA_CHECKED;

/* Writes what is left and the trailer, once, after the last write. 0 or the first error of this
 * sink or of `out`, -errno. */
int pa_gzip_finish(struct pa_gzip *z) PA_CHECKED;

/* Frees; a zeroed object is fine. */
void pa_gzip_done(struct pa_gzip *z);

#endif
