/* SPDX-License-Identifier: Apache-2.0 */
#include "test/programs/unwind_lib.h"

UNWIND_LIB(512)
