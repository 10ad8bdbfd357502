/* SPDX-License-Identifier: Apache-2.0
 * The Date header. gmtime takes glibc's time zone lock, so the calendar is our own. */
#include "agent/base/fmt.h"
#include "agent/http/parse.h"

#define DAY_S 86400u

void pa_http_date(char buf[PA_HTTP_DATE_SIZE], uint64_t unix_seconds)
{
	static const char days[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	uint64_t day = unix_seconds / DAY_S;
	unsigned second = (unsigned)(unix_seconds % DAY_S);
	/* H. Hinnant, "chrono-compatible low-level date algorithms", civil_from_days: years begin
	 * in March, so the leap day is the last one; an era has 400 years. */
	uint64_t z = day + 719468, era = z / 146097;
	unsigned doe = (unsigned)(z % 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;
	unsigned month = mp < 10 ? mp + 2 : mp - 10; /* 0: January */
	uint64_t year = era * 400 + yoe + (month < 2);

	pa_fmt(buf, PA_HTTP_DATE_SIZE, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[day % 7],
	       doy - (153 * mp + 2) / 5 + 1, months[month], (unsigned)(year % 10000), second / 3600,
	       second / 60 % 60, second % 60);
}

const char *pa_http_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} names[] = {
		{200, "OK"},
		{301, "Moved Permanently"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{413, "Request Entity Too Large"},
		{414, "Request URI Too Long"},
		{417, "Expectation Failed"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{503, "Service Unavailable"},
		{505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < PA_ARRAY_LEN(names); i++)
		if (names[i].status == status)
			return names[i].text;
	return "Unknown";
}
