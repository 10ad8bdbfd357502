/* SPDX-License-Identifier: Apache-2.0
 * Who is let in: Host headers and credentials; and the date, which every answer carries. */
#include "test/tap.h"

#include <time.h>

#include "agent/http/parse.h"

static struct pa_http_text text(const char *s)
{
	return (struct pa_http_text){s, strlen(s)};
}

static void check_hosts(void)
{
	static const struct {
		const char *host, *bound;
		bool local;
	} table[] = {
		{"", "127.0.0.1", true},
		{"localhost", "127.0.0.1", true},
		{"localhost:6060", "127.0.0.1", true},
		{"LocalHost:1", "127.0.0.1", true},
		{"localhost.", "127.0.0.1", true},
		{"127.0.0.1", "127.0.0.1", true},
		{"127.0.0.1:8080", "127.0.0.1", true},
		{"127.9.9.9", "127.0.0.1", true},
		{"[::1]", "127.0.0.1", true},
		{"[::1]:6060", "::1", true},
		{"::1", "::1", false}, /* needs brackets: this is "", port ":1" */
		{"[0:0:0:0:0:0:0:1]:1", "::1", true},
		{"10.1.2.3:6060", "10.1.2.3", true},
		{"10.1.2.4:6060", "10.1.2.3", false},
		{"evil.example", "127.0.0.1", false},
		{"evil.example:6060", "127.0.0.1", false},
		{"localhost.evil.example", "127.0.0.1", false},
		{"127.0.0.1.evil.example", "127.0.0.1", false},
		{"127.1", "127.0.0.1", false},
		{"0.0.0.0", "127.0.0.1", false},
		{"[::1", "127.0.0.1", false},
		{"[::1]x", "127.0.0.1", false},
		{"[]", "127.0.0.1", false},
		{"[localhost]:1", "127.0.0.1", true},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		 "127.0.0.1", false},
	};

	for (size_t i = 0; i < PA_ARRAY_LEN(table); i++)
		is_int(pa_http_host_is_local(text(table[i].host), table[i].bound), table[i].local,
		       table[i].host);
}

static void check_auth(void)
{
	static const struct {
		const char *value, *user, *password, *token;
		bool good;
	} table[] = {
		{"", "", "", "", true},
		{"Basic ZXZlOmV2ZQ==", "", "", "", true},
		{"", "u", "p", "", false},
		{"Basic dTpw", "u", "p", "", true},
		{"basic dTpw", "u", "p", "", true},
		{"BASIC   dTpw", "u", "p", "", true},
		{"Basic dTpw", "", "p", "", true}, /* any user */
		{"Basic dTpw", "v", "p", "", false},
		{"Basic dTpw", "u", "q", "", false},
		{"Basic dTpw", "u", "pp", "", false},
		{"Basic dTo=", "u", "p", "", false},      /* u: */
		{"Basic dTpwcA==", "u", "p", "", false},  /* u:pp */
		{"Basic dTpwOnE=", "u", "p:q", "", true}, /* a colon in the password */
		{"Basic dXA=", "u", "p", "", false},      /* no colon */
		{"Basic d!pw", "u", "p", "", false},
		{"Basic", "u", "p", "", false},
		{"Basic ", "u", "p", "", false},
		{"Bearer p", "u", "p", "", false},
		{"Bearer t0", "", "", "t0", true},
		{"bearer t0", "", "", "t0", true},
		{"Bearer t1", "", "", "t0", false},
		{"Bearer t", "", "", "t0", false},
		{"Bearer t0t0", "", "", "t0", false},
		{"Bearer ", "", "", "t0", false},
		{"Bearer", "", "", "t0", false},
		{"Basic eDp0MA==", "", "", "t0", true}, /* x:t0: a token serves as password */
		{"Basic eDp0MA==", "u", "p", "t0", true},
		{"Basic eDo=", "", "", "t0", false}, /* x: */
		{"Digest u", "u", "p", "t0", false},
	};
	char big[4000] = "Basic ";

	for (size_t i = 0; i < PA_ARRAY_LEN(table); i++)
		is_int(pa_http_auth_ok(text(table[i].value), table[i].user, table[i].password,
				       table[i].token),
		       table[i].good, table[i].value);
	memset(big + 6, 'A', sizeof(big) - 7);
	ok(!pa_http_auth_ok(text(big), "u", "p", ""), "longer than any credentials");
}

static void check_dates(void)
{
	static const uint64_t seconds[] = {0,          1,           951782400,  951868800,
					   784111777,  1709164800,  1709251199, 4107542400,
					   1704067199, 253402300799};
	char got[PA_HTTP_DATE_SIZE], want[64];

	for (size_t i = 0; i < PA_ARRAY_LEN(seconds); i++) {
		time_t t = (time_t)seconds[i];

		strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&t));
		pa_http_date(got, seconds[i]);
		is_str(got, want, "date");
	}
	for (time_t t = 0; t < 253402300799; t += 86400 * 17 + 3671) {
		strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&t));
		pa_http_date(got, (uint64_t)t);
		if (strcmp(got, want)) {
			is_str(got, want, "date in between");
			return;
		}
	}
	ok(1, "every 17th day up to the year 9999");
}

int main(void)
{
	check_hosts();
	check_auth();
	check_dates();
	is_str(pa_http_status_text(404), "Not Found", "status text");
	is_str(pa_http_status_text(299), "Unknown", "status without a text");
	return tap_done();
}
