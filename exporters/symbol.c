/* SPDX-License-Identifier: Apache-2.0
 * /symbol: names for addresses, as pprof asks for them: "0x1+0x2" in the raw query or a POST body. */
#include <string.h>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/parse.h"
#include "agent/core/config.h"
#include "agent/core/exporter.h"
#include "agent/http/http.h"
#include "agent/symbols/symbols.h"

/* Go reads words through a buffer of this size and gives up when one fills it. */
#define WORD_MAX 4096

#define LINE_BUDGET PA_NS_PER_S

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

/* The name of the innermost function, as runtime.FuncForPC has it. */
static void put_symbol(struct pa_sink *out, struct pa_symbols *symbols, uint64_t addr)
{
	struct pa_line lines[PA_SYMBOLS_LINES];
	struct pa_symbol found;
	bool named = pa_symbols_name(symbols, addr, &found);

	if (pa_symbols_lines(symbols, addr, &found, lines))
		found.name = lines[0].name;
	else if (!named)
		return;
	pa_sink_printf(out, "0x%llx ", (unsigned long long)addr);
	put_name(out, found.name);
	pa_sink_puts(out, "\n");
}

/* Where the words of a request are read, and what came of them. */
struct words {
	const char *at;
	size_t left;
	bool too_long;
};

/* The next word that is a number other than 0; false behind the last. */
static bool next_address(struct words *w, uint64_t *ret)
{
	uint64_t addr = 0;

	while (w->left && !w->too_long && !addr) {
		const char *plus = memchr(w->at, '+', PA_MIN(w->left, WORD_MAX));
		size_t word = plus ? (size_t)(plus - w->at) : PA_MIN(w->left, WORD_MAX);

		addr = parse_word(w->at, word);
		w->too_long = word == WORD_MAX;
		w->at += word + (plus != NULL);
		w->left -= word + (plus != NULL);
	}
	*ret = addr;
	return addr != 0;
}

/* Asks for all lines at once. Without them, for whatever reason, there are the names of symbols. */
static void load_lines(struct pa_symbols *symbols, struct words words)
{
	uint64_t *addrs = NULL, addr;
	size_t cap = 0, count = 0, missing = 0;

	while (next_address(&words, &addr)) {
		void *grown = addrs;

		if (pa_pages_grow(&grown, &cap, (count + 1) * sizeof(*addrs)) < 0)
			break;
		addrs = grown;
		addrs[count++] = addr;
	}
	if (count && pa_symbols_load_lines(symbols, addrs, count, pa_clock_mono() + LINE_BUDGET,
					   &missing) < 0)
		pa_debug("/symbol: %zu addresses have no lines", missing);
	pa_pages_free(addrs, cap);
}

static void put_symbols(struct pa_sink *out, struct pa_symbols *symbols, struct words words)
{
	uint64_t addr;

	while (!out->error && next_address(&words, &addr))
		put_symbol(out, symbols, addr);
	if (words.too_long)
		pa_sink_puts(out, "reading request: bufio: buffer full\n");
}

static void symbol_handle(const struct pa_http_req *req, struct pa_http_resp *resp)
{
	bool post = req->method == PA_HTTP_POST;
	const struct words words = {
		.at = post ? req->body : req->raw_query,
		.left = post ? req->body_len : strlen(req->raw_query),
	};
	struct pa_sink *out = pa_http_body(resp);
	struct pa_symbols *symbols;

	if (pa_symbols_open(&symbols) < 0) {
		pa_http_error(resp, 500, "cannot read the process' mappings");
		return;
	}
	pa_http_header(resp, "X-Content-Type-Options", "nosniff");
	pa_http_header(resp, "Content-Type", "text/plain; charset=utf-8");
	if (!strcmp(pa_config()->symbolize, "lines"))
		load_lines(symbols, words);
	pa_sink_puts(out, "num_symbols: 1\n");
	put_symbols(out, symbols, words);
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
