/* SPDX-License-Identifier: Apache-2.0
 * The rows of the table of variables, and the check of one value. */
#ifndef PA_CORE_CONFIG_TABLE_H
#define PA_CORE_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/core/config.h"

enum pa_config_kind {
	PA_CONFIG_BOOL,    /* bool */
	PA_CONFIG_PORT,    /* uint16_t */
	PA_CONFIG_U32,     /* uint32_t in [min, max] */
	PA_CONFIG_SIZE,    /* uint64_t in [min, max], units k m g */
	PA_CONFIG_CHOICE,  /* const char *, one of the words in `accepted` */
	PA_CONFIG_LEVEL,   /* int, index into the words in `accepted` */
	PA_CONFIG_HOST,    /* const char *: localhost, *, a numeric address */
	PA_CONFIG_PREFIX,  /* const char *: a clean path without the last slash */
	PA_CONFIG_TEXT,    /* const char *: anything */
	PA_CONFIG_PATH,    /* const char *: made absolute */
	PA_CONFIG_SECRET,  /* const char *: anything; also from the file that NAME_FILE names */
	PA_CONFIG_READ_BY, /* nothing is stored; another row looks at it */
};

struct pa_config_row {
	const char *name;
	const char *fallback; /* default as it is shown */
	const char *meaning;
	const char *accepted; /* as in "accepted: ..."; NULL: everything is */
	enum pa_config_kind kind;
	size_t offset; /* in struct pa_config */
	uint64_t min, max;
};

/* Checks `text` (not empty) and stores what it means; strings are kept by reference or, where they
 * had to change, in `scratch`. 0 or -EINVAL with *cfg untouched. */
#define PA_CONFIG_SCRATCH 4096
int pa_config_parse(const struct pa_config_row *row, const char *text, struct pa_config *cfg,
		    char scratch[PA_CONFIG_SCRATCH]) PA_CHECKED;

#endif
