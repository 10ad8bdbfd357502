/* SPDX-License-Identifier: Apache-2.0
 * Bodies in chunks, decoded byte by byte so that it does not matter where packets end. */
#include <string.h>

#include "agent/http/parse.h"

enum state {
	SIZE,      /* hexadecimal digits */
	SPACE,     /* white space behind them */
	EXTENSION, /* ";name=value", ignored */
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER,      /* at the beginning of a trailer line */
	TRAILER_TEXT, /* inside one, ignored */
	TRAILER_LF,
	END_LF
};

/* How many bytes without content a body may bring beyond 16 and twice the data of each chunk: as
 * Go's net/http/internal, so that nobody keeps us busy with extensions or one-byte chunks. */
#define EXCESS_MAX (16u << 10)

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void size_byte(struct pa_http_chunked *c, char byte)
{
	int digit = c->state == SIZE ? hex_digit(byte) : -1;

	if (digit >= 0 && c->digits < 16) {
		c->left = c->left << 4 | (unsigned)digit;
		c->digits++;
	} else if (!c->digits || digit >= 0) {
		c->bad = true;
	} else if (byte == '\r') {
		c->state = SIZE_LF;
	} else if (byte == ';') {
		c->state = EXTENSION;
	} else if (byte == ' ' || byte == '\t') {
		c->state = SPACE;
	} else {
		c->bad = true;
	}
}

static void size_done(struct pa_http_chunked *c)
{
	uint64_t room = 16 + 2 * (c->left < EXCESS_MAX ? c->left : EXCESS_MAX);

	c->excess += 2;
	c->excess = c->excess > room ? c->excess - room : 0;
	c->digits = 0;
	c->state = c->left ? DATA : TRAILER;
}

/* Steps over one byte that carries no data. */
static void step(struct pa_http_chunked *c, char byte)
{
	switch (c->state) {
	case SIZE:
	case SPACE:
		size_byte(c, byte);
		break;
	case EXTENSION:
		if (byte == '\r')
			c->state = SIZE_LF;
		else if (byte == '\n')
			c->bad = true;
		break;
	case SIZE_LF:
		c->bad = byte != '\n';
		if (!c->bad)
			size_done(c);
		return; /* what the line cost has been settled */
	case DATA_CR:
		c->bad = byte != '\r';
		c->state = DATA_LF;
		return;
	case DATA_LF:
		c->bad = byte != '\n';
		c->state = SIZE;
		return;
	case TRAILER:
		c->state = byte == '\r' ? END_LF : TRAILER_TEXT;
		c->bad = byte == '\n';
		break;
	case TRAILER_TEXT:
		if (byte == '\r')
			c->state = TRAILER_LF;
		else if (byte == '\n')
			c->bad = true;
		break;
	case TRAILER_LF:
		c->bad = byte != '\n';
		c->state = TRAILER;
		break;
	default: /* END_LF */
		c->bad = byte != '\n';
		c->done = !c->bad;
		break;
	}
	if (++c->excess > EXCESS_MAX + 64)
		c->bad = true;
}

size_t pa_http_chunked_feed(struct pa_http_chunked *c, const char *in, size_t len,
			    struct pa_http_text *ret_data)
{
	size_t used = 0;

	*ret_data = (struct pa_http_text){in, 0};
	while (used < len && !c->done && !c->bad) {
		if (c->state != DATA) {
			step(c, in[used++]);
			continue;
		}
		*ret_data = (struct pa_http_text){in + used, len - used};
		if (ret_data->len > c->left)
			ret_data->len = (size_t)c->left;
		c->left -= ret_data->len;
		if (!c->left)
			c->state = DATA_CR;
		return used + ret_data->len;
	}
	return used;
}
