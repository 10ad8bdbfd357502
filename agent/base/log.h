/* SPDX-License-Identifier: Apache-2.0
 * One line, one write(2), errno kept. Silent unless something is wrong (level warn). */
#ifndef PA_BASE_LOG_H
#define PA_BASE_LOG_H

#include "agent/base/compiler.h"

enum pa_log_level { PA_LOG_OFF, PA_LOG_WARN, PA_LOG_INFO, PA_LOG_DEBUG };

/* Lines above `level` are dropped. path NULL or "": stderr; else the file is opened for each line,
 * so that neither the host closing descriptors nor log rotation disturbs it (to stderr when that
 * fails). path must stay valid. Remembers what descriptor 2 is, so that nothing is written into
 * what the host may get under that number later. Call it in the constructor. */
void pa_log_setup(enum pa_log_level level, const char *path);

/* Whether a line of that level would be written. Signal-safe. */
int pa_log_enabled(enum pa_log_level level);

/* Writes "profagent[PID]: text\n", cut at 1 KiB, control characters as '?'; conversions as pa_fmt.
 * A line that would have to wait (stderr is a full pipe) is dropped. Signal-safe. */
void pa_log(enum pa_log_level level, const char *fmt, ...) PA_PRINTF(2, 3);

#define pa_warn(...)  pa_log(PA_LOG_WARN, __VA_ARGS__)
#define pa_info(...)  pa_log(PA_LOG_INFO, __VA_ARGS__)
#define pa_debug(...) pa_log(PA_LOG_DEBUG, __VA_ARGS__)

/* Text for an errno value (positive or negative) without strerror's locale lock, such as
 * "EADDRINUSE (address in use)"; "error N" for the unusual ones. Signal-safe. */
const char *pa_errno_text(int err);

#endif
