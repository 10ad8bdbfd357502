#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# nginx: the first process forks workers, which give up their privileges and have an agent of their
# own each. Reload and end go as without the agent.
. "$(dirname "$0")/../real.sh"
tap_need nginx curl python3

chmod 711 "$tmp" # workers are another user's when root starts it
mkdir "$tmp/html" "$tmp/temp"
for i in {1..300}; do
	echo "line $i of a file that is worth compressing: $((i * i)) $((i * i * i))"
done >"$tmp/html/index.html"
head -c 300000 /dev/zero | tr '\0' 'z' >"$tmp/html/large"
port_of_nginx=$(free_port)
cat >"$tmp/nginx.conf" <<EOF
daemon off;
worker_processes 2;
pid $tmp/nginx.pid;
error_log stderr notice;
events { worker_connections 256; }
http {
	access_log off;
	keepalive_requests 1000000;
	gzip on;
	gzip_min_length 100;
	client_body_temp_path $tmp/temp/body;
	proxy_temp_path $tmp/temp/proxy;
	fastcgi_temp_path $tmp/temp/fastcgi;
	uwsgi_temp_path $tmp/temp/uwsgi;
	scgi_temp_path $tmp/temp/scgi;
	server {
		listen 127.0.0.1:$port_of_nginx;
		root $tmp/html;
	}
}
EOF
nginx=(nginx -p "$tmp" -e stderr -c "$tmp/nginx.conf")
get() {
	curl -sS --noproxy '*' -m 20 "http://127.0.0.1:$port_of_nginx$1" "${@:2}"
}
answers() {
	get / -o /dev/null
}
# Keeps the workers busy until the file is gone.
load() {
	while [ -e "$tmp/go" ]; do
		get '/?[1-500]' --compressed -o /dev/null
	done
}
session() {
	get / | md5sum
	get / --compressed | md5sum
	get / -r 100-199 | md5sum
	get /large | md5sum
	get /missing -o /dev/null -w '%{http_code}\n'
	get / -o /dev/null -w '%{http_code}\n' -I
	get / -o /dev/null -w '%{http_code}\n' -X POST -d x=y
}
workers() {
	pgrep -P "$server" | sort -n
}
two_others() {
	[ "$(workers | wc -l)" -eq 2 ] && ! workers | grep -qxF "$1"
}

start "${nginx[@]}"
server=$pid
wait_until 10 answers
session >"$tmp/plain"
stop "$server" QUIT
plain_status=$?

for engine in "${engines[@]}"; do
	engine_start "$engine" -- "${nginx[@]}"
	server=$pid server_output=$output
	wait_until 10 answers
	worker=$(workers | head -n 1)
	use_agent_of "$worker"
	tap_check $? "$engine: a worker has an agent" || continue
	touch "$tmp/go"
	loads=()
	for i in 1 2 3; do
		start load
		loads+=("$pid")
	done
	ok "$engine: a profile of it" take "$worker" "$tmp/worker" 3
	check_profile "$engine" "$tmp/worker" nginx --samples=20 --names='^deflate$' \
		--stack=';ngx_process_events_and_timers;.*;ngx_spawn_process;.*;main;.*_start$'
	# New workers take over in the middle of a profile.
	profile "$tmp/cut" 10 2>/dev/null &
	cut=$!
	kill -HUP "$server"
	ok "$engine: new workers after a reload" wait_until 15 two_others "$worker"
	wait $cut
	use_agent_of "$(workers | head -n 1)"
	tap_check $? "$engine: which have agents"
	ok "$engine: and are profiled" profile "$tmp/reloaded" 1
	check_profile "$engine" "$tmp/reloaded" "nginx, reloaded" --samples=1
	rm "$tmp/go"
	wait "${loads[@]}"
	unlike "$(cat "$tmp"/output*)" 'curl: ' "$engine: no request failed"
	session >"$tmp/guest"
	ok "$engine: the same answers" diff "$tmp/plain" "$tmp/guest"
	stop "$server" QUIT
	is "$?" "$plain_status" "$engine: the same exit status"
	unlike "$(cat "$server_output")" 'exited on signal|exited with code [1-9]|\[(alert|crit|emerg)\]' \
		"$engine: no worker died"
done
tap_done
