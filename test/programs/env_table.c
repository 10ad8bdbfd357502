/* SPDX-License-Identifier: Apache-2.0
 * Prints the table of environment variables as the code describes it (scripts/check-env.sh). */
#include <stdio.h>

#include "agent/base/sink.h"
#include "agent/core/config.h"

int main(void)
{
	struct pa_sink_mem out;

	pa_sink_mem_init(&out, 1 << 20);
	pa_config_describe(&out.sink);
	if (out.sink.error)
		return 1;
	fwrite(out.buf, 1, out.sink.total, stdout);
	pa_sink_mem_done(&out);
	return 0;
}
