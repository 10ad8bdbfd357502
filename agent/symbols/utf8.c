/* SPDX-License-Identifier: Apache-2.0
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#include "agent/symbols/utf8.h"

/* Length of the well-formed character at s, 0 when there is none. Stops at NUL. */
static size_t char_length(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf; /* limits of the second byte */
	size_t len;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

size_t pa_utf8_good(const char *s)
{
	size_t good = 0, len;

	while (s[good] && (len = char_length((const unsigned char *)s + good)))
		good += len;
	return good;
}

void pa_utf8_clean(char *s)
{
	for (s += pa_utf8_good(s); *s; s += pa_utf8_good(s))
		*s = '?';
}
