/* SPDX-License-Identifier: Apache-2.0
 * Reading memory that may vanish at any moment (a library being dlclose'd, a stack being
 * unmapped) without a fault: process_vm_readv(2) on ourselves; /proc/self/mem where that system
 * call is refused, or where a seccomp filter might kill for it. That file needs a free descriptor
 * and cannot be opened once the process has given up its user id (prctl(2), PR_SET_DUMPABLE). */
#ifndef PA_BASE_PEEK_H
#define PA_BASE_PEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/base/compiler.h"

/* Copies up to len bytes from address addr; returns the bytes copied (short at the first
 * unreadable page) or -EFAULT when there are none. Signal-safe. */
ssize_t pa_peek(uintptr_t addr, void *buf, size_t len) PA_CHECKED;

/* Copies exactly len bytes or returns -EFAULT. Signal-safe. */
int pa_peek_all(uintptr_t addr, void *buf, size_t len) PA_CHECKED;

/* How many of the len bytes from address addr can be read at this moment: len, or what lies before
 * the first unreadable page. Makes no system call but rt_sigprocmask(2), one a page, and changes no
 * mask, so it is cheaper than a copy and under no seccomp filter of practice. Signal-safe. */
size_t pa_peek_span(uintptr_t addr, size_t len) PA_CHECKED;

#endif
