/* SPDX-License-Identifier: Apache-2.0
 * Functions and lines of the locations of a profile. */
#ifndef PA_EXPORTERS_PPROF_LOCATIONS_H
#define PA_EXPORTERS_PPROF_LOCATIONS_H

#include "agent/base/compiler.h"

struct pa_pprof_tables;

/* Stands for the mapping of pseudo frames until its number is known. */
#define PA_PPROF_PSEUDO_MAPPING UINT32_MAX

/* Gives all locations their mappings, lines and functions, as the options say. 0 or -errno. Agent
 * thread only. */
int pa_pprof_name_locations(struct pa_pprof_tables *t) PA_CHECKED;

#endif
