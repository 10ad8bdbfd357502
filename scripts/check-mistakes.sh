#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Mistakes that a grep finds. Calls that object files show are in check-calls.sh; here is what is
# gone by then, or never was code. A line may carry "lint: allow(WORD) reason".
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${ROOT:-$here/..}" || exit 1
errors=0

sources=$(find agent collectors exporters -name '*.[ch]' 2>/dev/null | sort)
# profagent-symbolize is a process of its own.
guests=$(echo "$sources" | grep -v '^agent/symbolize/')
# Text files of the project; corpora and other binary files have no lines.
texts=$(find . \( -path ./.git -o -path ./build -o -path ./test/fuzz/corpus -o -path ./test/data \) -prune -o \
	-type f -print | sed 's,^\./,,' | grep -Ev '(^LICENSE$|\.(gz|prof|bin|elf|so|o|png|pyc)$)' | sort)
[ -n "$sources" ] || { echo "check-mistakes: no sources below $PWD" >&2; exit 1; }

# refuse WORD PATTERN WHY FILES...
refuse() {
	word=$1 pattern=$2 why=$3
	shift 3
	found=$(grep -nHE -- "$pattern" "$@" 2>/dev/null | grep -v "lint: allow($word) .")
	[ -n "$found" ] || return
	echo "$found"
	echo "  ^ $why"
	errors=1
}

# Comments may speak of what code may not call.
code=$(mktemp -d) || exit 1
trap 'rm -rf "$code"' EXIT
for f in $sources; do
	mkdir -p "$code/$(dirname "$f")"
	# Keeps line numbers, and the lint comments.
	awk '
	{
		line = $0
		keep = match(line, /lint: allow\([a-z]*\) ./) ? " " substr(line, RSTART) : ""
		out = ""
		while (line != "") {
			if (inside) {
				i = index(line, "*/")
				if (!i) { line = ""; break }
				line = substr(line, i + 2)
				inside = 0
				continue
			}
			i = index(line, "/*")
			j = index(line, "//")
			if (j && (!i || j < i)) { out = out substr(line, 1, j - 1); line = ""; break }
			if (!i) { out = out line; break }
			out = out substr(line, 1, i - 1)
			line = substr(line, i + 2)
			inside = 1
		}
		if (out !~ /^[ \t]*#/)
			gsub(/"([^"\\]|\\.)*"/, "\"\"", out)
		print out keep
	}' "$f" >"$code/$f"
done
before='(^|[^.>_[:alnum:]])' # not a member or part of another name
(
	cd "$code" || exit 1
	# shellcheck disable=SC2086 # one word a file
	{
		refuse assert "$before(assert|abort|exit|_exit|quick_exit) *\(" 'never ends the host' $guests
		refuse malloc "$before(malloc|calloc|realloc|strdup|free) *\(" \
			'memory comes from agent/base/arena.h' $guests
		refuse stdio "$before(v?[fsd]?n?printf|puts|fopen|perror) *\(|\bstd(in|out|err)\b" \
			'no stdio in the host: pa_fmt, pa_sink, pa_log' $guests
		refuse locale "$before(strerror|getenv|secure_getenv|qsort|localtime|strtou?ll?|atoi) *\(" \
			'locks, locale or the environment of the host' $guests
		refuse lock "${before}pthread_(mutex|cond|rwlock|spin|once)_[a-z]+ *\(" \
			'the agent interposes them: pa_lock' $guests
		refuse alloca "$before(alloca|__builtin_alloca|strdupa) *\(" 'stack of unknown size' $sources
		refuse strings "$before(strcpy|strcat|gets|strncpy|strtok) *\(" 'has no bound' $sources
		refuse loader "$before(dl_iterate_phdr|dladdr|getaddrinfo|gethostbyname) *\(" \
			'takes locks of the loader or resolver' $guests
	}
	# shellcheck disable=SC2086
	awk '
	FNR == 1 { call = ""; seen = 0 }
	!seen && (/(^|[^.>_a-zA-Z0-9])(open|openat|socket|accept4|pipe2|memfd_create|epoll_create1|eventfd) *\(/ ||
		  /SYS_(open|openat|socket|accept4|pipe2|memfd_create|epoll_create1|eventfd2)[^a-z0-9_]/) {
		seen = 1
		at = FNR
	}
	seen { call = call $0 }
	seen && /[;{]/ {
		if (call !~ /CLOEXEC|flags/ && call !~ /lint: allow/) {
			print FILENAME ":" at ": O_CLOEXEC or the like is not in this statement"
			bad = 1
		}
		seen = 0
		call = ""
	}
	END { exit bad }' $sources || errors=1
	exit $errors
) || errors=1

# shellcheck disable=SC2086
{
	refuse todo '\b(TODO|FIXME|XXX|HACK)\b' 'finish it, or write an issue' $sources
	refuse blank '[ 	]+$' 'blanks at the end of the line' $texts
	refuse paths '/(root|home/[a-z]+|work)/' 'a path of one machine' $texts # lint: allow(paths) itself
	refuse merge '^(<<<<<<<|>>>>>>>) ' 'left over from a merge' $texts
	refuse semicolon ';;$' 'two semicolons' $sources
	refuse long '^.{400,}$' 'a line of more than 400 characters' $sources
}
for f in $sources $(find test -name '*.[ch]' -o -name '*.cc' -o -name '*.sh' -o -path test/run 2>/dev/null) \
	$(find scripts -type f 2>/dev/null | grep -Ev '\.(rules|allow|calls)$'); do
	head -n 2 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || {
		echo "$f: no SPDX line at the top"
		errors=1
	}
done
for f in $texts; do
	[ -s "$f" ] || continue
	[ -z "$(tail -c 1 "$f" | tr -d '\n')" ] || { echo "$f: no newline at the end"; errors=1; }
	[ -n "$(tail -n 1 "$f")" ] || { echo "$f: empty line at the end"; errors=1; }
done
for f in $sources; do
	awk 'FNR > 1 && $0 == "" && last == "" { print FILENAME ":" FNR ": two empty lines"; bad = 1 } { last = $0 }
		END { exit bad }' "$f" || errors=1
done
[ $errors -eq 0 ] || exit 1
echo "mistakes: none of those known in $(echo "$texts" | wc -l) files"
