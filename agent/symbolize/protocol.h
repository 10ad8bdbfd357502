/* SPDX-License-Identifier: Apache-2.0
 * What the agent (agent/symbols/symbolizer.c) and profagent-symbolize say to each other over a
 * stream socket, in the byte order of the machine. One request at a time; its replies end with
 * PA_SYMBOLIZE_DONE. Neither side believes the other: every length is checked. */
#ifndef PA_SYMBOLIZE_PROTOCOL_H
#define PA_SYMBOLIZE_PROTOCOL_H

#include <stdint.h>

#define PA_SYMBOLIZE_MAGIC 0x50415331u /* "PAS1"; another program's protocol has another one */

#define PA_SYMBOLIZE_ADDRS 4096 /* most addresses of one request */
#define PA_SYMBOLIZE_LINES 128  /* most lines of one address; inner ones are kept */
#define PA_SYMBOLIZE_TEXT  8192 /* most bytes of a name, build id or path; names are cut */

/* The file itself comes as a descriptor (SCM_RIGHTS) with the first byte; without one (an object
 * that is only in memory) the build id leads to separate debug information. Behind the request:
 * uint64_t vaddrs[addr_count], ascending, as in the file's program headers; then the build id in
 * lower-case hex and the file's path, both without NUL. */
struct pa_symbolize_request {
	uint32_t magic, id;
	uint32_t addr_count, build_id_len, path_len, reserved;
};

enum pa_symbolize_kind {
	PA_SYMBOLIZE_HELLO = 1, /* once, unasked: the program runs. No body */
	PA_SYMBOLIZE_FUNCTION,  /* defines a function for the rest of this answer */
	PA_SYMBOLIZE_ADDRESS,   /* lines of one address; one without lines is not mentioned */
	PA_SYMBOLIZE_DONE,      /* no body */
};

/* Before each reply; `size` bytes of body follow, a multiple of 4 behind padding. */
struct pa_symbolize_reply {
	uint32_t magic, kind, id, size;
};

/* Then the name as people read it, the linkage name, and the path of the file that its lines are
 * in ("" when unknown), without NULs. Functions are numbered from 0 in order of definition. */
struct pa_symbolize_function {
	uint32_t start_line; /* of its declaration, 0 when unknown */
	uint32_t name_len, system_name_len, file_len;
};

/* Then struct pa_symbolize_line lines[line_count], innermost first. */
struct pa_symbolize_address {
	uint32_t index; /* into the request's vaddrs */
	uint32_t line_count;
};

struct pa_symbolize_line {
	uint32_t function;
	uint32_t line, column; /* 0: unknown */
};

#endif
