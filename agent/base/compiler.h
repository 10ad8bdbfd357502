/* SPDX-License-Identifier: Apache-2.0
 * Attributes and small macros every file may use. */
#ifndef PA_BASE_COMPILER_H
#define PA_BASE_COMPILER_H

#define PA_EXPORT            __attribute__((visibility("default")))
#define PA_CHECKED           __attribute__((warn_unused_result))
#define PA_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define PA_ALIGNED(n)        __attribute__((aligned(n)))
#define PA_UNUSED            __attribute__((unused))

/* Fixed offset from the thread pointer: no __tls_get_addr, so usable in signal handlers and
 * before the dynamic linker is done. Costs static TLS space, so keep it to a few words. */
#define PA_TLS __thread __attribute__((tls_model("initial-exec")))

#define PA_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define PA_MIN(a, b)    ((a) < (b) ? (a) : (b))
#define PA_MAX(a, b)    ((a) > (b) ? (a) : (b))
#define pa_likely(x)    __builtin_expect(!!(x), 1)
#define pa_unlikely(x)  __builtin_expect(!!(x), 0)

#endif
