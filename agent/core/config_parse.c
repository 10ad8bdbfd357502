/* SPDX-License-Identifier: Apache-2.0
 * One value of one variable: does it make sense, and what does it mean. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/base/fmt.h"
#include "agent/base/parse.h"
#include "agent/core/config_table.h"

#define PREFIX_MAX 256

static int parse_range(const struct pa_config_row *row, const char *text, uint64_t *ret)
{
	uint64_t value;
	int err;

	if (row->kind == PA_CONFIG_SIZE)
		err = pa_parse_size(text, strlen(text), &value);
	else
		err = pa_parse_u64(text, strlen(text), 10, &value);
	if (err < 0 || value < row->min || value > row->max)
		return -EINVAL;
	*ret = value;
	return 0;
}

/* Index of text among words such as "auto, timer, perf"; -1: not one of them. *ret_word is the
 * word's place, not terminated. */
static int word_index(const char *words, const char *text, const char **ret_word)
{
	size_t want = strlen(text);

	for (int i = 0; *words; i++) {
		size_t len = strcspn(words, ", ");

		if (len == want && !memcmp(words, text, len)) {
			*ret_word = words;
			return i;
		}
		words += len;
		words += strspn(words, ", ");
	}
	return -1;
}

static bool host_is_good(const char *text)
{
	unsigned char address[sizeof(struct in6_addr)];

	return !strcmp(text, "localhost") || !strcmp(text, "*") ||
	       inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static bool is_prefix_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("/._~-", c));
}

/* The path without its trailing slash. It must be clean, or no request could ever match it. */
static int parse_prefix(const char *text, char *out)
{
	size_t len = strlen(text);

	if (*text != '/' || len > PREFIX_MAX)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		const char *element = text + i + 1;
		size_t n = strcspn(element, "/");

		if (!is_prefix_char(text[i]))
			return -EINVAL;
		if (text[i] == '/' && i + 1 < len && (!n || (n <= 2 && strspn(element, ".") >= n)))
			return -EINVAL;
	}
	if (text[len - 1] == '/')
		len--;
	memcpy(out, text, len);
	out[len] = '\0';
	return 0;
}

/* The host may change its directory before the path is used. */
static int parse_path(const char *text, char *out)
{
	size_t len = 0;

	if (*text != '/') {
		/* The system call, because glibc's getcwd may allocate. It counts the NUL. */
		long n = syscall(SYS_getcwd, out, PA_CONFIG_SCRATCH);

		if (n < 2 || *out != '/')
			return -EINVAL;
		len = (size_t)n - 1;
		if (len > 1)
			out[len++] = '/';
	}
	if (len + strlen(text) >= PA_CONFIG_SCRATCH)
		return -EINVAL;
	memcpy(out + len, text, strlen(text) + 1);
	return 0;
}

static int parse_number(const struct pa_config_row *row, const char *text, void *field)
{
	uint64_t value;
	int err = parse_range(row, text, &value);

	if (err < 0)
		return err;
	if (row->kind == PA_CONFIG_PORT)
		*(uint16_t *)field = (uint16_t)value;
	else if (row->kind == PA_CONFIG_U32)
		*(uint32_t *)field = (uint32_t)value;
	else
		*(uint64_t *)field = value;
	return 0;
}

static int parse_text(const struct pa_config_row *row, const char *text, const char **field,
		      char *scratch)
{
	int err = 0;

	switch (row->kind) {
	case PA_CONFIG_HOST:
		err = host_is_good(text) ? 0 : -EINVAL;
		break;
	case PA_CONFIG_PREFIX:
		err = parse_prefix(text, scratch);
		text = scratch;
		break;
	case PA_CONFIG_PATH:
		err = parse_path(text, scratch);
		text = scratch;
		break;
	default:
		break;
	}
	if (!err)
		*field = text;
	return err;
}

int pa_config_parse(const struct pa_config_row *row, const char *text, struct pa_config *cfg,
		    char scratch[PA_CONFIG_SCRATCH])
{
	void *field = (char *)cfg + row->offset;
	const char *word;
	int index;

	switch (row->kind) {
	case PA_CONFIG_BOOL:
		return pa_parse_bool(text, strlen(text), field) < 0 ? -EINVAL : 0;
	case PA_CONFIG_PORT:
	case PA_CONFIG_U32:
	case PA_CONFIG_SIZE:
		return parse_number(row, text, field);
	case PA_CONFIG_CHOICE:
		if (word_index(row->accepted, text, &word) < 0)
			return -EINVAL;
		*(const char **)field = text;
		return 0;
	case PA_CONFIG_LEVEL:
		index = word_index(row->accepted, text, &word);
		if (index < 0)
			return -EINVAL;
		*(int *)field = index;
		return 0;
	case PA_CONFIG_READ_BY:
		return 0;
	default:
		return parse_text(row, text, field, scratch);
	}
}
