/* SPDX-License-Identifier: Apache-2.0
 * The compressing sink. Encoders write a few bytes at a time, so input is gathered before zlib
 * sees it. */
#include <errno.h>
#include <string.h>

#include "exporters/gzip.h"

#define INPUT_BYTES  ((size_t)16 << 10)
#define OUTPUT_BYTES ((size_t)32 << 10)

#define WINDOW_BITS 15
#define GZIP_FORMAT 16 /* added to the window bits: gzip instead of zlib's own format */
#define MEM_LEVEL   8  /* zlib's default */

#define OS_UNKNOWN 255

static void *zlib_alloc(void *arena, unsigned items, unsigned size)
{
	return pa_arena_alloc(arena, (size_t)items * size);
}

/* Everything is freed together with the arena. */
static void zlib_free(void *arena, void *object)
{
	(void)arena;
	(void)object;
}

/* Compresses the gathered input; Z_FINISH also writes the trailer. zlib's errors cannot happen
 * with a stream that was initialised and a buffer that has room. */
static int compress_input(struct pa_gzip *z, int flush)
{
	z_stream *s = &z->stream;
	int r;

	s->next_in = z->input;
	s->avail_in = (unsigned)z->pending;
	z->pending = 0;
	do {
		s->next_out = z->output;
		s->avail_out = OUTPUT_BYTES;
		r = deflate(s, flush);
		if (r == Z_STREAM_ERROR)
			return -EIO;
		pa_sink_write(z->out, z->output, OUTPUT_BYTES - s->avail_out);
		if (z->out->error)
			return z->out->error;
	} while (!s->avail_out && r != Z_STREAM_END);
	return 0;
}

static int gzip_write(struct pa_sink *sink, const void *data, size_t len)
{
	struct pa_gzip *z = (struct pa_gzip *)sink;
	const unsigned char *bytes = data;

	while (len > INPUT_BYTES - z->pending) {
		size_t n = INPUT_BYTES - z->pending;
		int r;

		memcpy(z->input + z->pending, bytes, n);
		z->pending = INPUT_BYTES;
		r = compress_input(z, Z_NO_FLUSH);
		if (r < 0)
			return r;
		bytes += n;
		len -= n;
	}
	memcpy(z->input + z->pending, bytes, len);
	z->pending += len;
	return 0;
}

int pa_gzip_init(struct pa_gzip *z, int level)
{
	*z = (struct pa_gzip){
		.sink.write = gzip_write,
		.header.os = OS_UNKNOWN,
	};
	z->input = pa_arena_alloc(&z->arena, INPUT_BYTES);
	z->output = pa_arena_alloc(&z->arena, OUTPUT_BYTES);
	z->stream.zalloc = zlib_alloc;
	z->stream.zfree = zlib_free;
	z->stream.opaque = &z->arena;
	if (!z->input || !z->output ||
	    deflateInit2(&z->stream, level, Z_DEFLATED, WINDOW_BITS + GZIP_FORMAT, MEM_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK ||
	    deflateSetHeader(&z->stream, &z->header) != Z_OK) {
		pa_gzip_done(z);
		return -ENOMEM;
	}
	return 0;
}

int pa_gzip_finish(struct pa_gzip *z)
{
	if (!z->sink.error)
		z->sink.error = compress_input(z, Z_FINISH);
	return z->sink.error;
}

void pa_gzip_done(struct pa_gzip *z)
{
	pa_arena_done(&z->arena);
	*z = (struct pa_gzip){0};
}
