/* SPDX-License-Identifier: Apache-2.0
 * /symbol: names for addresses, as pprof asks for them: "0x1+0x2" in the raw query or a POST body. */
#include <string.h>

#include "agent/base/parse.h"
#include "agent/core/exporter.h"
#include "agent/http/http.h"
#include "agent/symbols/symbols.h"

/* Go reads words through a buffer of this size and gives up when one fills it. */
#define WORD_MAX 4096

/* Value of the digits behind a prefix such as 0x. '_' may stand between digits and behind the
 * prefix (Go's literals). 0 when it is no number or does not fit. */
static uint64_t parse_digits(const char *s, size_t len, unsigned base, bool prefixed)
{
	bool digit = prefixed; /* whether an underscore may come now */
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++) {
		uint64_t d;

		if (s[i] == '_' && digit) {
			digit = false;
			continue;
		}
		if (pa_parse_u64(s + i, 1, base, &d) < 0 ||
		    __builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, d, &value))
			return 0;
		digit = true;
	}
	return len && s[len - 1] != '_' ? value : 0;
}

/* strconv.ParseUint(word, 0, 64), with 0 for whatever is not a number. */
static uint64_t parse_word(const char *s, size_t len)
{
	unsigned base = 10;

	if (len < 2 || *s != '0')
		return parse_digits(s, len, base, false);
	switch (s[1] | 0x20) {
	case 'x':
		base = 16;
		break;
	case 'o':
		base = 8;
		break;
	case 'b':
		base = 2;
		break;
	default:
		return parse_digits(s + 1, len - 1, 8, true);
	}
	return parse_digits(s + 2, len - 2, base, true);
}

/* A name goes on one line, whatever a symbol table says. */
static void put_name(struct pa_sink *out, const char *name)
{
	while (*name) {
		size_t good = strcspn(name, "\r\n");

		pa_sink_write(out, name, good);
		name += good;
		if (*name) {
			pa_sink_puts(out, "?");
			name++;
		}
	}
}

static void put_symbol(struct pa_sink *out, struct pa_symbols *symbols, uint64_t addr)
{
	struct pa_symbol found;

	if (!pa_symbols_name(symbols, addr, &found))
		return;
	pa_sink_printf(out, "0x%llx ", (unsigned long long)addr);
	put_name(out, found.name);
	pa_sink_puts(out, "\n");
}

static void put_symbols(struct pa_sink *out, struct pa_symbols *symbols, const char *words,
			size_t len)
{
	while (len && !out->error) {
		const char *plus = memchr(words, '+', PA_MIN(len, WORD_MAX));
		size_t word = plus ? (size_t)(plus - words) : PA_MIN(len, WORD_MAX);
		uint64_t addr = parse_word(words, word);

		if (addr)
			put_symbol(out, symbols, addr);
		if (word == WORD_MAX) {
			pa_sink_puts(out, "reading request: bufio: buffer full\n");
			return;
		}
		words += word + (plus != NULL);
		len -= word + (plus != NULL);
	}
}

static void symbol_handle(const struct pa_http_req *req, struct pa_http_resp *resp)
{
	bool post = req->method == PA_HTTP_POST;
	struct pa_sink *out = pa_http_body(resp);
	struct pa_symbols *symbols;

	if (pa_symbols_open(&symbols) < 0) {
		pa_http_error(resp, 500, "cannot read the process' mappings");
		return;
	}
	pa_http_header(resp, "X-Content-Type-Options", "nosniff");
	pa_http_header(resp, "Content-Type", "text/plain; charset=utf-8");
	pa_sink_puts(out, "num_symbols: 1\n");
	put_symbols(out, symbols, post ? req->body : req->raw_query,
		    post ? req->body_len : strlen(req->raw_query));
	pa_symbols_close(symbols);
}

static const struct pa_route routes[] = {
	{"/symbol", PA_ROUTE_POST, symbol_handle},
	{NULL, 0, NULL},
};

const struct pa_exporter pa_exporter_symbol = {
	.name = "symbol",
	.routes = routes,
};
