/* SPDX-License-Identifier: Apache-2.0
 * Answering the agent. */
#ifndef PA_SYMBOLIZE_SERVE_H
#define PA_SYMBOLIZE_SERVE_H

#define PA_DBG_IDLE_S 30

/* Talks to the agent over the socket until it hangs up, or is silent for so many seconds. The exit
 * status: 1 when it says what it may not say. */
int pa_dbg_serve(int socket, unsigned idle_s);

#endif
