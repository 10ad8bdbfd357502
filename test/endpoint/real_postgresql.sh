#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# PostgreSQL: a process for each client, forked by one that waits for its children; each has an
# agent of its own.
. "$(dirname "$0")/../real.sh"
bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
if [ ! -x "$bin/postgres" ] || [ ! -x "$bin/initdb" ]; then
	tap_skip_all "PostgreSQL is not installed"
fi
PATH=$PATH:$bin
tap_need pgbench psql curl python3
[ "$(id -u)" -ne 0 ] || tap_need setpriv

# It refuses to run as root.
chmod 711 "$tmp"
home=$tmp/home
mkdir "$home"
[ "$(id -u)" -ne 0 ] || chown 65534:65534 "$home"
cd "$home" || exit 1
as_nobody_by_exec=()
[ "$(id -u)" -ne 0 ] || as_nobody_by_exec=(setpriv --reuid=65534 --regid=65534 --clear-groups)
port=$(free_port) # names the socket only
postgres=("${as_nobody_by_exec[@]}" "$bin/postgres" -D "$home/data" -p "$port" -k "$home" -F
	-c listen_addresses= -c max_connections=20 -c shared_buffers=16MB)
export PGHOST=$home PGPORT=$port PGUSER=me PGDATABASE=postgres PGOPTIONS=
if ! as_nobody "$bin/initdb" -D "$home/data" -U me -A trust -N --locale=C >"$tmp/initdb" 2>&1; then
	sed 's/^/# /' "$tmp/initdb"
	tap_check 1 "initdb"
	tap_done
fi
answers() {
	psql -Atc 'select 1'
}
clients() {
	psql -Atc "select pid from pg_stat_activity where application_name = 'pgbench' order by pid"
}
has_clients() {
	[ "$(clients | wc -l)" -ge 2 ]
}
consistent() {
	psql -Atc 'select (select sum(abalance) from pgbench_accounts) = (select coalesce(sum(delta), 0)
		from pgbench_history), (select count(*) > 0 from pgbench_history)'
}
# A regular expression has a frame of 40 KiB, more than the kernel copies (engine perf) for an
# ordinary user with many processes.
echo "select count(*) from generate_series(1, 3000) i where i::text ~ '[1-5]+7';" >"$tmp/queries.timer"
cat >"$tmp/queries.perf" <<'EOF'
select count(*), sum(length(repeat(md5(i::text), 3))) from generate_series(1, 3000) i where i % 3 = 0;
select a.abalance, count(*) from pgbench_accounts a join pgbench_accounts b on a.aid = b.aid + 7
	where a.aid < 4000 group by 1 order by 2 desc limit 3;
update pgbench_accounts set abalance = abalance where aid between 10 and 20;
EOF
cat "$tmp/queries.perf" >>"$tmp/queries.timer"

start "${postgres[@]}"
server=$pid
wait_until 20 answers
ok "pgbench -i" pgbench -iq --fillfactor=90
# An exclusive session's answer, to be the same later
query="select md5(string_agg(md5((i * i)::text) || to_char(i / 7.0, '990.999'), ','))
	from generate_series(1, 20000) i"
plain=$(psql -Atc "$query")
stop "$server" INT
plain_status=$?
is "$plain_status" 0 "ends without the agent"

for engine in "${engines[@]}"; do
	rate=rate_$engine
	agent_run PPROF_CPU_ENGINE="$engine" CPU_PROFILE_RATE="${!rate}" -- "${postgres[@]}"
	server=$pid server_output=$output
	ok "$engine: starts" wait_until 20 answers
	start pgbench -c 2 -j 1 -T 6 -n -b tpcb-like@1 -f "$tmp/queries.$engine@1"
	bench=$pid bench_output=$output
	wait_until 10 has_clients
	client=$(clients | head -n 1)
	use_agent_of "$client"
	tap_check $? "$engine: a client's process has an agent" || continue
	ok "$engine: a profile of it" take "$client" "$tmp/client" 3
	check_profile "$engine" "$tmp/client" postgres --samples=30 \
		--stack=';standard_ExecutorRun;.*;PostgresMain;.*;PostmasterMain;main;.*_start$'
	use_agent_of "$server"
	tap_check $? "$engine: the first process has one too"
	like "$(fetch /cmdline | tr '\0' ' ')" "postgres -D $home/data " "$engine: its command line"
	wait "$bench"
	is "$?" 0 "$engine: pgbench ends well"
	unlike "$(cat "$bench_output")" 'ERROR|FATAL|aborted|number of failed transactions: [1-9]' \
		"$engine: without an error"
	is "$(consistent)" "t|t" "$engine: the tables agree"
	is "$(psql -Atc "$query")" "$plain" "$engine: the same answers"
	stop "$server" INT
	is "$?" "$plain_status" "$engine: the same exit status"
	unlike "$(cat "$server_output")" 'PANIC|terminated by signal|unexpected' \
		"$engine: no process of it died" || sed 's/^/# /' "$server_output"
done
tap_done
