/* SPDX-License-Identifier: Apache-2.0
 * The program as a command, for users and tests: in the manner of addr2line -i. */
#ifndef PA_SYMBOLIZE_COMMAND_H
#define PA_SYMBOLIZE_COMMAND_H

/* Prints functions and lines of hexadecimal addresses, of those on standard input if count is 0.
 * For each address one line a function, innermost first, then an empty line. The exit status. */
int pa_dbg_command(const char *file, char *const *addrs, int count);

#endif
