#!/usr/bin/env bash
# PostgreSQL with pgbench: every transaction arrives, spread over two servers; with one of them
# stopped, the next run loses nothing.
# shellcheck source=tests/interop/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

interop_start postgresql
# The newest of the installed versions.
bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
PATH=$bin:$PATH
export PGUSER=bench PGDATABASE=postgres

declare -A pid=()

# pg_start NAME PORT: a fresh server with pgbench's tables.
pg_start() {
	"${as_user[@]}" initdb -D "$dir/$1" -U bench -A trust -N -E UTF8 --no-locale >"$dir/initdb-$1.log" 2>&1 ||
		fail "initdb"
	in_background "$1" postgres -D "$dir/$1" -p "$2" -c listen_addresses=127.0.0.1 \
		-c "unix_socket_directories=$dir" -c fsync=off -c max_connections=100
	pid[$1]=$started
	wait_until 30 pg_isready -q -h 127.0.0.1 -p "$2" || fail "server $1 is not ready"
	pgbench -q -i -s 2 -h 127.0.0.1 -p "$2" >"$dir/init-$1.log" 2>&1 || fail "pgbench -i"
}

# Transactions that a server has seen, by what they wrote.
seen() {
	psql -AtX -h 127.0.0.1 -p "$1" -c 'SELECT count(*) FROM pgbench_history'
}

# run CLIENTS TRANSACTIONS [OPTION...]: through iaido; all must succeed.
run() {
	local clients=$1 each=$2 out

	shift 2
	out=$(pgbench -n -h 127.0.0.1 -p "$iaido_port" -c "$clients" -j 2 -t "$each" "$@" 2>&1) ||
		fail "pgbench: $out"
	grep -q "processed: $((clients * each))/$((clients * each))" <<<"$out" || fail "pgbench: $out"
	grep -q 'failed transactions: 0 ' <<<"$out" || fail "pgbench: $out"
	sent=$((sent + clients * each))
}

sent=0
a=$(free_port)
pg_start a "$a"
b=$(free_port)
pg_start b "$b"
iaido_start "$a,$b"

run 16 100
run 8 25 -C
seen_a=$(seen "$a")
seen_b=$(seen "$b")
[ $((seen_a + seen_b)) -eq "$sent" ] || fail "$sent sent, $seen_a and $seen_b arrived"
[ $((seen_a * seen_b)) -gt 0 ] || fail "not shared: $seen_a and $seen_b"
echo "two servers: $sent transactions, $seen_a and $seen_b"

kill -INT "${pid[a]}" # at once: sessions are ended, not waited for
wait "${pid[a]}" 2>/dev/null
sent=0
run 16 100
run 8 25 -C
left=$(($(seen "$b") - seen_b))
[ "$left" -eq "$sent" ] || fail "with one stopped: $sent sent, $left arrived"
echo "one stopped: $sent transactions, none lost"
