/* SPDX-License-Identifier: Apache-2.0
 * Names from files are bytes; strings of a profile are UTF-8. */
#ifndef PA_SYMBOLS_UTF8_H
#define PA_SYMBOLS_UTF8_H

#include <stddef.h>

/* Bytes of s before the first one that pa_utf8_clean would replace. Any thread. */
size_t pa_utf8_good(const char *s);

/* Replaces control characters and what is no UTF-8 by '?', in place. Any thread. */
void pa_utf8_clean(char *s);

#endif
