#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# A node server: code compiled at run time without tables, large frames of libuv, threads.
. "$(dirname "$0")/../real.sh"
tap_need node curl python3
cd "$tmp" || exit 1

cat >"$tmp/server.js" <<'EOF'
const http = require('http'), crypto = require('crypto'), zlib = require('zlib');
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
class Twice { constructor(x) { this.x = x; } get v() { return this.x * 2; } }
function* count(n) { for (let i = 0; i < n; i++) yield i; }
async function answer(url) {
  const list = [];
  for (const i of count(300)) list.push({ i, s: 'x'.repeat(i % 17), f: i / 3 });
  const text = JSON.stringify(list);
  let sum = fib(14) + JSON.parse(text).length + url.length;
  sum += (text.match(/"i":\d+/g) || []).length;
  sum += [...list].sort((a, b) => a.s.length - b.s.length || a.i - b.i)[0].i;
  sum += list.map(e => new Twice(e.i)).reduce((a, t) => a + t.v, 0);
  try { null.x; } catch (e) { sum += e.message.length; }
  await null;
  return sum + crypto.createHash('sha256').update(text).digest('hex');
}
const server = http.createServer((req, res) => {
  answer(req.url).then(text => zlib.gzip(text.repeat(20), (e, zipped) => res.end(zipped)));
});
server.listen(0, '127.0.0.1', () => console.log('port', server.address().port));
process.on('SIGTERM', () => { server.closeAllConnections?.(); server.close(() => process.exit(7)); });
EOF
cat >"$tmp/client.js" <<'EOF'
const http = require('http'), zlib = require('zlib'), crypto = require('crypto');
const [port, seconds, least] = process.argv.slice(2).map(Number);
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
const until = Date.now() + 1000 * seconds, sums = new Set();
let live = 8, n = 0;
function request() {
  if (Date.now() > until && n >= least) {
    if (--live === 0) { console.log('answers', [...sums].join()); agent.destroy(); }
    return;
  }
  http.get({ port, agent, host: '127.0.0.1', path: '/x' }, res => {
    const parts = [];
    res.on('data', d => parts.push(d));
    res.on('end', () => {
      sums.add(crypto.createHash('sha256').update(zlib.gunzipSync(Buffer.concat(parts))).digest('hex'));
      n++;
      request();
    });
  });
}
for (let i = 0; i < live; i++) request();
EOF
node_port() {
	sed -n 's/^port //p' "$output"
}
serves() {
	[ -n "$(node_port)" ]
}
client() {
	start node "$tmp/client.js" "$(node_port)" "$@"
	client_pid=$pid client_output=$output
}

start node "$tmp/server.js"
server=$pid
wait_until 15 serves
client 0 50
wait "$client_pid"
plain=$(cat "$client_output")
stop "$server"
plain_status=$?
like "$plain" '^answers [0-9a-f]{64}$' "the server answers"

for engine in "${engines[@]}"; do
	engine_start "$engine" -- node "$tmp/server.js"
	server=$pid
	wait_until 15 serves
	client 4 50
	ok "$engine: a profile" take "$server" "$tmp/node" 3
	check_profile "$engine" "$tmp/node" node --names='^Builtins_' \
		--stack='Builtins_JSEntry(Trampoline)?;.*;node::Start\(.*_start$' \
		--stack='worker;[^;]*;[^;]*$'
	wait "$client_pid"
	is "$(cat "$client_output")" "$plain" "$engine: the same answers"
	stop "$server"
	is "$?" "$plain_status" "$engine: the same exit status"
done
tap_done
