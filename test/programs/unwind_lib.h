/* SPDX-License-Identifier: Apache-2.0
 * A library that calls back. unwind_lib_a.c and unwind_lib_b.c differ in their frames only, so that
 * both get the same layout: opened one after the other they lie at the same addresses. */
#ifndef PA_TEST_UNWIND_LIB_H
#define PA_TEST_UNWIND_LIB_H

#define UNWIND_LIB(frame_bytes)                                                                    \
	int unwind_lib_call(int (*callback)(void *), void *arg);                                   \
	int unwind_lib_call(int (*callback)(void *), void *arg)                                    \
	{                                                                                          \
		volatile char frame[frame_bytes];                                                  \
                                                                                                   \
		frame[0] = 1;                                                                      \
		return callback(arg) + frame[0];                                                   \
	}

#endif
