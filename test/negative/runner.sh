#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 90
# test/run counts as failed whatever is not a proven pass, and leaves no process.
. "$(dirname "$0")/../lib.sh"
cd "$tmp" || exit 1
unset T

# script NAME < body
script() {
	{ echo '#!/bin/bash' && cat; } >"$1.sh"
	chmod +x "$1.sh"
}
# outcome NAME: the line that test/run prints for it.
outcome() {
	"$root/test/run" "$1.sh" | grep -E '^(pass|FAIL|skip) '
}

script good <<<'echo "ok 1 - x"; echo 1..1'
like "$(outcome good)" '^pass' "a whole plan passes"
script status <<<'echo "ok 1 - x"; echo 1..1; exit 1'
like "$(outcome status)" '^FAIL.*exit 1' "an exit status fails"
script notok <<<'echo "not ok 1 - x"; echo 1..1'
like "$(outcome notok)" '^FAIL.*not ok' "a failed check fails, whatever the status"
script noplan <<<'echo "ok 1 - x"'
like "$(outcome noplan)" '^FAIL.*plan' "a test that ends early fails"
script short <<<'echo "ok 1 - x"; echo 1..2'
like "$(outcome short)" '^FAIL.*plan says 2' "missing checks fail"
script nothing <<<'echo 1..0'
like "$(outcome nothing)" '^FAIL' "no checks at all fail"
script skip <<<'echo "1..0 # SKIP no such thing"; exit 2'
like "$(outcome skip)" '^skip.*no such thing' "a reason skips"
script badskip <<<'exit 2'
like "$(outcome badskip)" '^FAIL' "exit 2 without a reason fails"
script syntax <<<'if then; echo'
like "$(outcome syntax)" '^FAIL' "a syntax error fails"
script crash <<<'kill -SEGV $$'
like "$(outcome crash)" '^FAIL.*SIGSEGV' "a crash fails"
script hang <<'END'
# timeout: 1
echo "ok 1 - x"; echo 1..1; sleep 98765
END
like "$(outcome hang)" '^FAIL.*timed out' "a hanging test fails"
script deaf <<'END'
# timeout: 1
trap '' TERM
(trap '' TERM; setsid sleep 98765) &
while :; do sleep 98765; done
END
like "$(outcome deaf)" '^FAIL.*timed out' "one that ignores SIGTERM too"
script orphan <<<'setsid sleep 98765 & disown; echo "ok 1 - x"; echo 1..1'
like "$(outcome orphan)" '^FAIL.*left processes' "a left-over process fails the test"
like "$("$root/test/run" orphan.sh)" 'left-over process [0-9]+ \(sleep\)' "and is named"
script daemon <<<'(setsid sh -c "sleep 98765 & exec >/dev/null" &); echo "ok 1 - x"; echo 1..1'
like "$(outcome daemon)" '^FAIL.*left processes' "one that daemonized too"
not_ok "none of them is left" pgrep -x -f 'sleep 98765'
is "$("$root/test/run" good.sh skip.sh status.sh | tail -n 1)" "1 passed, 1 failed, 1 skipped" "the last line counts"
ok "status 0 when nothing failed" "$root/test/run" good.sh skip.sh
not_ok "status 1 when something failed" "$root/test/run" good.sh status.sh
not_ok "a filter that matches nothing fails" env T=nosuchtest "$root/test/run"
script env <<<'[ -z "$LD_PRELOAD$PPROF_PORT$CPU_PROFILE_RATE" ] && echo "ok 1 - x"; echo 1..1'
like "$(PPROF_PORT=1 CPU_PROFILE_RATE=3 outcome env)" '^pass' "settings of the caller do not reach a test"

# The shell's verbs fail when they should.
script verbs <<END
. "$root/test/lib.sh"
is a b "is"
like abc x "like"
unlike abc b "unlike"
ok "ok" false
not_ok "not_ok" true
in_range 5 1 4 "in_range"
in_range "" 0 4 "in_range of nothing"
tap_done
END
is "$(./verbs.sh | grep -c '^not ok')" 7 "each verb of tap.sh can fail"
not_ok "and so does the script" ./verbs.sh
tap_done
