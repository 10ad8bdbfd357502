#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that are missing, and nothing else.
#
#	install-deps.sh [-n] [build] [demo] [check]
#
# Without a group: all of them. -n only prints what is missing. Needs root or sudo only when
# something is. No service is left running by the packages that bring one.
set -u

dry=0
if [ "${1:-}" = -n ]; then
	dry=1
	shift
fi
[ $# -gt 0 ] || set -- build demo check

die() {
	echo "install-deps.sh: $*" >&2
	exit 1
}

# The first package of the list that this release knows.
first_known() {
	for p in "$@"; do
		if apt-cache show "$p" 2>/dev/null | grep -q '^Package:'; then
			echo "$p"
			return
		fi
	done
	echo "$1"
}

# Go 1.19 or newer, from wherever it came.
has_go() {
	v=$(go version 2>/dev/null | sed -n 's/.* go1\.\([0-9]*\).*/\1/p')
	[ "${v:-0}" -ge 19 ]
}

packages_of() {
	case $1 in
	build)
		echo gcc make libc6-dev libprotobuf-c-dev protobuf-c-compiler zlib1g-dev libiberty-dev
		echo libdw-dev libelf-dev libdeflate-dev liblzma-dev libbz2-dev libzstd-dev
		;;
	demo)
		echo redis-server redis-tools curl
		;;
	check)
		echo g++ binutils libunwind-dev curl python3 procps openssl
		echo libc6-dbg dwz llvm xz-utils
		echo redis-server redis-tools postgresql nodejs
		first_known nginx-light nginx
		echo clang clang-format clang-tidy cppcheck shellcheck universal-ctags
		first_known libclang-rt-14-dev libclang-rt-dev
		has_go || echo golang-go
		;;
	*) die "'$1' is no group: build, demo and check are" ;;
	esac
}

for group in "$@"; do
	packages_of "$group" >/dev/null || exit 1
done
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "install-deps.sh: this is no Debian or Ubuntu. Needed are the equivalents of:" >&2
	for group in "$@"; do
		echo "  $group: $(packages_of "$group" | tr '\n' ' ')" >&2
	done
	exit 1
fi

missing=
for group in "$@"; do
	for p in $(packages_of "$group"); do
		case " $missing " in *" $p "*) continue ;; esac
		case $(dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null) in
		ii*) ;;
		*) missing="${missing:+$missing }$p" ;;
		esac
	done
done
if [ -z "$missing" ]; then
	echo "packages for $*: all there"
	exit 0
fi
echo "packages for $*, missing: $missing"
[ $dry -eq 0 ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
	as_root() { "$@"; }
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
	as_root() { sudo "$@"; }
else
	die "neither root nor sudo. As root: apt-get install $missing"
fi

# A package that brings a service starts it on installation unless this says no (exit 101).
policy=/usr/sbin/policy-rc.d
made_policy=0
remove_policy() {
	[ $made_policy -eq 0 ] || as_root rm -f "$policy"
}
trap remove_policy EXIT
trap 'exit 130' INT TERM HUP
if [ ! -e "$policy" ]; then
	made_policy=1
	as_root sh -c 'printf "#!/bin/sh\nexit 101\n" >"$1" && chmod 755 "$1"' sh "$policy" ||
		die "cannot write $policy"
fi
apt_install() {
	# shellcheck disable=SC2086 # one word a package
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
}
apt_install || {
	echo "install-deps.sh: trying again with fresh package lists"
	as_root apt-get update && apt_install
} || die "apt-get could not install: $missing"
