/* SPDX-License-Identifier: Apache-2.0
 * A small vsnprintf. Conversions outside its set end the formatting: the rest of the format is
 * copied as it stands, because the type of the argument is not known. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "agent/base/fmt.h"

/* Bounds the padding that one conversion can ask for. */
#define MAX_WIDTH 4096

struct out {
	char *buf;
	size_t size; /* of buf, the NUL included */
	size_t len;  /* produced so far, beyond size too */
};

/* One conversion, from '%' to its letter. */
struct spec {
	bool left, zero;
	char length; /* 0, 'l' (also for z, j and ll: all are 64 bits wide) */
	int width;
	int precision; /* -1: none */
};

static void put(struct out *o, const char *s, size_t n)
{
	if (o->len < o->size)
		memcpy(o->buf + o->len, s, PA_MIN(n, o->size - o->len));
	o->len += n;
}

static void put_repeated(struct out *o, char c, size_t n)
{
	if (o->len < o->size)
		memset(o->buf + o->len, c, PA_MIN(n, o->size - o->len));
	o->len += n;
}

/* prefix ("-", "0x" or "") stands before the zeros, behind the blanks. */
static void put_padded(struct out *o, const struct spec *sp, const char *prefix, const char *s,
		       size_t n)
{
	size_t prefix_len = strlen(prefix);
	size_t len = prefix_len + n;
	size_t pad = (size_t)sp->width > len ? (size_t)sp->width - len : 0;

	if (!sp->left && !sp->zero)
		put_repeated(o, ' ', pad);
	put(o, prefix, prefix_len);
	if (!sp->left && sp->zero)
		put_repeated(o, '0', pad);
	put(o, s, n);
	if (sp->left)
		put_repeated(o, ' ', pad);
}

static void put_number(struct out *o, const struct spec *sp, const char *prefix, uint64_t value,
		       unsigned base)
{
	char digits[20]; /* of UINT64_MAX in base 10 */
	size_t i = sizeof(digits);

	do {
		digits[--i] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	put_padded(o, sp, prefix, digits + i, sizeof(digits) - i);
}

/* A decimal number or '*'. */
static int parse_count(const char **fmt, va_list *ap)
{
	int n = 0;

	if (**fmt == '*') {
		++*fmt;
		return va_arg(*ap, int);
	}
	for (; **fmt >= '0' && **fmt <= '9'; ++*fmt)
		n = n < MAX_WIDTH ? n * 10 + (**fmt - '0') : n;
	return n;
}

/* *fmt is behind the '%'; moves it to the conversion letter. */
static struct spec parse_spec(const char **fmt, va_list *ap)
{
	struct spec sp = {.precision = -1};

	for (; **fmt == '-' || **fmt == '0'; ++*fmt) {
		if (**fmt == '-')
			sp.left = true;
		else
			sp.zero = true;
	}
	sp.width = parse_count(fmt, ap);
	if (sp.width < 0) {
		sp.left = true;
		sp.width = sp.width < -MAX_WIDTH ? MAX_WIDTH : -sp.width;
	}
	sp.width = PA_MIN(sp.width, MAX_WIDTH);
	if (**fmt == '.') {
		++*fmt;
		sp.precision = parse_count(fmt, ap);
	}
	for (; **fmt == 'l' || **fmt == 'z' || **fmt == 'j'; ++*fmt)
		sp.length = 'l';
	return sp;
}

static void convert_string(struct out *o, struct spec *sp, const char *s)
{
	sp->zero = false;
	if (!s)
		s = "(null)";
	put_padded(o, sp, "", s, sp->precision < 0 ? strlen(s) : strnlen(s, (size_t)sp->precision));
}

static void convert_signed(struct out *o, const struct spec *sp, int64_t v)
{
	put_number(o, sp, v < 0 ? "-" : "", v < 0 ? -(uint64_t)v : (uint64_t)v, 10);
}

/* False for a letter that is none of ours: its argument has not been taken. */
static bool convert(struct out *o, struct spec *sp, char letter, va_list *ap)
{
	char c;

	switch (letter) {
	case '%':
		put(o, "%", 1);
		return true;
	case 'c':
		c = (char)va_arg(*ap, int);
		sp->zero = false;
		put_padded(o, sp, "", &c, 1);
		return true;
	case 's':
		convert_string(o, sp, va_arg(*ap, const char *));
		return true;
	case 'd':
	case 'i':
		convert_signed(o, sp, sp->length ? va_arg(*ap, int64_t) : va_arg(*ap, int));
		return true;
	case 'u':
	case 'x':
		put_number(o, sp, "", sp->length ? va_arg(*ap, uint64_t) : va_arg(*ap, unsigned),
			   letter == 'x' ? 16 : 10);
		return true;
	case 'p':
		put_number(o, sp, "0x", (uintptr_t)va_arg(*ap, void *), 16);
		return true;
	default:
		return false;
	}
}

/* A va_list parameter may have decayed from an array: a copy has an address of the right type. */
size_t pa_vfmt(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = {.buf = buf, .size = size};
	va_list args;

	va_copy(args, ap);
	while (*fmt) {
		const char *percent = fmt;
		struct spec sp;

		while (*percent && *percent != '%')
			percent++;
		put(&o, fmt, (size_t)(percent - fmt));
		if (!*percent)
			break;
		fmt = percent + 1;
		sp = parse_spec(&fmt, &args);
		if (!convert(&o, &sp, *fmt, &args)) {
			put(&o, percent, strlen(percent));
			break;
		}
		fmt++;
	}
	va_end(args);
	if (size)
		buf[PA_MIN(o.len, size - 1)] = '\0';
	return o.len;
}

size_t pa_fmt(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	len = pa_vfmt(buf, size, fmt, ap);
	va_end(ap);
	return len;
}
