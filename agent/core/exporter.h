/* SPDX-License-Identifier: Apache-2.0
 * A family of endpoints: one file in exporters/ that ends in one `const` descriptor, and one row
 * in exporters/table.def. */
#ifndef PA_CORE_EXPORTER_H
#define PA_CORE_EXPORTER_H

struct pa_route; /* agent/http/http.h */

struct pa_exporter {
	const char *name;
	const struct pa_route *routes; /* ends with a NULL path */
};

#endif
