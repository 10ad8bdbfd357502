#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Takes a CPU profile of a running service and shows where its time went.
set -u

usage() {
	cat <<'END'
usage: profile_cpu.sh [-h HOST] [-p PORT] [-d SECONDS] [-o FILE]

Takes a CPU profile from http://HOST:PORT/debug/pprof/profile, saves it and prints the functions
that used the most CPU. The service runs with LD_PRELOAD=libprofagent.so (or is a Go program with
net/http/pprof).

  -h HOST     host name or address      (APP_HOST, else localhost)
  -p PORT     TCP port                  (APP_PORT, else PPROF_PORT, else 6060)
  -d SECONDS  how long to measure       (PROFILE_DURATION, else 30)
  -o FILE     where to save the profile (else cpu_TIMESTAMP.prof here; never overwrites)

Credentials, where the service asks for them: PPROF_USER and PPROF_PASSWORD, or PPROF_TOKEN.
PPROF_PREFIX is the path where it is not /debug/pprof.

A service on another machine: ssh -L 6060:localhost:6060 MACHINE, then profile_cpu.sh here.
END
}

die() {
	echo "profile_cpu.sh: $*" >&2
	exit 1
}

host=${APP_HOST:-localhost}
port=${APP_PORT:-${PPROF_PORT:-6060}}
seconds=${PROFILE_DURATION:-30}
prefix=${PPROF_PREFIX:-/debug/pprof}
out=
[ "${1:-}" != --help ] || { usage; exit 0; }
while getopts h:p:d:o: opt; do
	case $opt in
	h) host=$OPTARG ;;
	p) port=$OPTARG ;;
	d) seconds=$OPTARG ;;
	o) out=$OPTARG ;;
	*)
		usage >&2
		exit 1
		;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 0 ] || die "what is '$1' for? See profile_cpu.sh --help"

# is_number TEXT MOST: a whole number from 1 to MOST.
is_number() {
	case $1 in '' | *[!0-9]* | ??????*) return 1 ;; esac
	[ "$1" -ge 1 ] && [ "$1" -le "$2" ]
}
is_number "$port" 65535 || die "port '$port' is not a number from 1 to 65535"
is_number "$seconds" 86400 || die "duration '$seconds' is not a whole number of seconds"
[ -n "$host" ] || die "the host is empty"
[ -z "$out" ] || [ ! -e "$out" ] || die "$out exists already and is not overwritten"
command -v curl >/dev/null || die "curl is needed: apt-get install curl"

case $host in
*:*) where="[${host#[}"; where="${where%]}]:$port" ;;
*) where=$host:$port ;;
esac
url="http://$where$prefix/profile?seconds=$seconds"

work=$(mktemp -d "${TMPDIR:-/tmp}/profile_cpu.XXXXXX") || exit 1
curl_pid=
clean_up() {
	[ -z "$curl_pid" ] || kill "$curl_pid" 2>/dev/null
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Credentials reach curl through its standard input: arguments can be read by everybody (ps).
quoted() {
	printf '%s' "$1" | sed 's/[\\"]/\\&/g'
}
curl_config() {
	printf 'url = "%s"\n' "$(quoted "$url")"
	if [ -n "${PPROF_TOKEN:-}" ]; then
		printf 'header = "Authorization: Bearer %s"\n' "$(quoted "$PPROF_TOKEN")"
	elif [ -n "${PPROF_USER:-}${PPROF_PASSWORD:-}" ]; then
		printf 'user = "%s:%s"\n' "$(quoted "${PPROF_USER:-}")" "$(quoted "${PPROF_PASSWORD:-}")"
	fi
}

# A proxy of the environment is not asked: it does not know the way into a tunnel.
curl_config | curl -q -sS -K - --noproxy '*' --connect-timeout 10 --max-time $((seconds + 120)) \
	-o "$work/profile" -w '%{http_code}' >"$work/code" 2>"$work/error" &
curl_pid=$!

# On a terminal one line that counts; else one line now.
waited=0
if [ ! -t 2 ]; then
	echo "taking a CPU profile of $where for $seconds s" >&2
fi
while kill -0 "$curl_pid" 2>/dev/null; do
	if [ -t 2 ]; then
		if [ "$waited" -le "$seconds" ]; then
			printf '\rtaking a CPU profile of %s: %d of %d s ' "$where" "$waited" "$seconds" >&2
		else
			printf '\rtaking a CPU profile of %s: waiting for the answer ' "$where" >&2
		fi
	elif [ "$waited" -gt 0 ] && [ $((waited % 10)) -eq 0 ]; then
		echo "  $waited of $seconds s" >&2
	fi
	# In the first second a refusal is noticed at once.
	if [ "$waited" -eq 0 ]; then
		sleep 0.2
		kill -0 "$curl_pid" 2>/dev/null || break
		sleep 0.8
	else
		sleep 1
	fi
	waited=$((waited + 1))
done
wait "$curl_pid"
curl_status=$?
curl_pid=
[ ! -t 2 ] || printf '\r\033[K' >&2

case $curl_status in
0) ;;
6) die "host '$host' is not known" ;;
7) die "nobody listens on $where. Does the service run with LD_PRELOAD=libprofagent.so?" \
	"Its port is PPROF_PORT (6060); PPROF_LOG=info makes the agent say which one it uses" ;;
18 | 52 | 55 | 56) die "$where closed the connection before the profile was there: did the service end?" ;;
28) die "no answer from $where in time" ;;
*) die "$(sed 's/^curl: ([0-9]*) //' "$work/error") (curl exit $curl_status)" ;;
esac

# The server's own words, one line.
text=
[ ! -s "$work/profile" ] || text=$(head -c 300 "$work/profile" | tr -d '\000' | tr '\r\n' '  ' | sed 's/ *$//')
code=$(cat "$work/code")
case $code in
200) ;;
401)
	[ -n "${PPROF_TOKEN:-}${PPROF_USER:-}${PPROF_PASSWORD:-}" ] && die "401: $where refuses these credentials"
	die "401: $where wants credentials: set PPROF_USER and PPROF_PASSWORD, or PPROF_TOKEN"
	;;
404) die "404: there is no $prefix/profile on $where: is it the right port?" ;;
500) case $text in
	*"already in use"*) die "another CPU profile of $where is being taken; one at a time" ;;
	*) die "500: $text" ;;
	esac ;;
*) die "$code: $text" ;;
esac

case $(head -c 2 "$work/profile" 2>/dev/null | od -An -tx1) in
*1f*8b*) ;;
*) die "what $where sent is not a profile: is it the right port?" ;;
esac

# Whether the profile has samples: field 2 of the message of profile.proto, in any place among the
# others. Only the outermost level is read.
has_samples() {
	gzip -dc "$1" 2>/dev/null | od -An -v -tu1 | awk '
	function field(tag) {
		wire = tag % 8
		if (int(tag / 8) == 2 && wire == 2) { found = 1; exit 0 }
		state = wire == 0 ? "varint" : wire == 2 ? "length" : wire == 1 ? "skip" : wire == 5 ? "skip" : "bad"
		left = wire == 1 ? 8 : 4
		value = 0
		scale = 1
	}
	BEGIN { state = "tag"; scale = 1 }
	{
		for (i = 1; i <= NF; i++) {
			if (state == "skip") {
				# Whole lines of a long field at once.
				if (left > NF - i) { left -= NF - i + 1; i = NF } else { i += left - 1; left = 0 }
				if (left == 0) { state = "tag"; value = 0; scale = 1 }
				continue
			}
			value += ($i % 128) * scale
			scale *= 128
			if ($i >= 128)
				continue
			if (state == "tag") { field(value); if (state == "bad") exit 1 }
			else if (state == "length") {
				left = value
				state = left > 0 ? "skip" : "tag"
				value = 0
				scale = 1
			} else { state = "tag"; value = 0; scale = 1 }
		}
	}
	END { exit !found }'
}
gzip -t "$work/profile" 2>/dev/null || die "the profile from $where is damaged or cut short"
has_samples "$work/profile" ||
	die "no CPU was used in $seconds s: put the service under load (nothing was saved)"

# With noclobber the shell creates the file or fails; nobody's file is overwritten.
save() {
	(set -C && cat "$work/profile" >"$1") 2>/dev/null
}
if [ -n "$out" ]; then
	save "$out" || die "cannot create $out"
else
	base=cpu_$(date +%Y%m%d_%H%M%S)
	out=$base.prof
	n=1
	until save "$out"; do
		n=$((n + 1))
		if [ ! -e "$out" ] || [ $n -ge 1000 ]; then
			die "cannot create $out in $PWD"
		fi
		out=${base}_$n.prof
	done
fi

if command -v go >/dev/null; then
	echo "go tool pprof -top $out" >&2 # can take 20 s the first time, when go builds it
	go tool pprof -top -nodecount=20 "$out" 2>"$work/error" || cat "$work/error" >&2
elif command -v pprof >/dev/null; then
	pprof -top -nodecount=20 "$out" 2>"$work/error" || cat "$work/error" >&2
else
	echo "To look at it, on any machine with Go: go tool pprof -http=localhost:8080 $out"
	echo "(without Go: https://www.speedscope.app reads it too)"
fi
echo "saved: $out"
