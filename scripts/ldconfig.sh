#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# After `make install`: makes the loader find the library by its bare name, where it can, and says
# what to write into LD_PRELOAD. --removed: after `make uninstall`.
#
#	ldconfig.sh [--removed] LIBDIR
set -u
removed=0
if [ "$1" = --removed ]; then
	removed=1
	shift
fi
dir=$1
# A staged installation is somebody else's package; its scripts do this.
[ -z "${DESTDIR:-}" ] || exit 0

ldconfig=$(PATH=$PATH:/sbin:/usr/sbin command -v ldconfig)
if [ "$(id -u)" -eq 0 ] && [ -n "$ldconfig" ]; then
	"$ldconfig" || echo "ldconfig failed" >&2
fi
[ $removed -eq 0 ] || exit 0
if [ -n "$ldconfig" ] && "$ldconfig" -p 2>/dev/null | grep -q " $dir/libprofagent.so\$"; then
	echo "use it:  LD_PRELOAD=libprofagent.so ./service"
else
	echo "use it:  LD_PRELOAD=$dir/libprofagent.so ./service"
	echo "(the loader does not look into $dir by itself)"
fi
