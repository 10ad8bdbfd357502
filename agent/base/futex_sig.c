/* SPDX-License-Identifier: Apache-2.0
 * The half of the futex calls that never sleeps. */
#include <linux/futex.h>

#include "agent/base/lock.h"
#include "agent/base/syscall.h"

void pa_futex_wake(_Atomic uint32_t *word, int n)
{
	pa_sys(SYS_futex, word, FUTEX_WAKE_PRIVATE, n);
}
