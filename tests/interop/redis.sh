#!/usr/bin/env bash
# Redis with redis-benchmark: single requests and pipelines without an error; a large value comes
# back unchanged; when the first server stops, the standby in the next tier serves.
# shellcheck source=tests/interop/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

interop_start redis-server redis-tools

declare -A pid=()

redis_start() {
	mkdir -p "$dir/$1"
	[ "$(id -u)" -ne 0 ] || chown nobody:nogroup "$dir/$1"
	in_background "$1" redis-server --port "$2" --bind 127.0.0.1 --dir "$dir/$1" --save '' \
		--appendonly no --daemonize no
	pid[$1]=$started
	wait_until 10 listens "$2" || fail "redis $1 does not listen"
}

through_iaido() {
	redis-cli -h 127.0.0.1 -p "$iaido_port" "$@"
}

processed() {
	redis-cli -h 127.0.0.1 -p "$1" info stats | tr -d '\r' |
		sed -n 's/^total_commands_processed://p'
}

# bench PORT-OF-THE-SERVER REQUESTS OPTION...: redis-benchmark; the server must have seen them all.
bench() {
	local port=$1 requests=$2 out before

	shift 2
	before=$(processed "$port")
	out=$(redis-benchmark -h 127.0.0.1 -p "$iaido_port" -n "$requests" -c 50 -q "$@" 2>&1) ||
		fail "redis-benchmark: $out"
	if grep -qiE 'error|closed|reset' <<<"$out"; then
		fail "redis-benchmark: $out"
	fi
	[ $(($(processed "$port") - before)) -ge "$requests" ] || fail "requests are missing: $out"
}

large_value() {
	through_iaido -x set large <"$dir/large" >"$dir/set.log" || fail "set"
	through_iaido --raw get large | head -c 33554432 | cmp - "$dir/large" ||
		fail "the large value came back changed"
}

head -c 33554432 /dev/urandom >"$dir/large"
a=$(free_port)
redis_start a "$a"
b=$(free_port)
redis_start b "$b"
iaido_start "$a" "$b"

bench "$a" 40000 -t set,get
bench "$a" 100000 -t set,get -P 16
large_value
echo "first server: no error"
[ "$(through_iaido config get port | tail -n 1)" = "$a" ] || fail "not the first server"

stop "${pid[a]}"
bench "$b" 40000 -t set,get
large_value
[ "$(through_iaido config get port | tail -n 1)" = "$b" ] || fail "not the standby"
echo "first stopped: the standby serves, no error"
