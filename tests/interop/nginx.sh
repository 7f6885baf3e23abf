#!/usr/bin/env bash
# nginx with wrk: no socket error, no wrong answer, over two servers, and over the one that is left;
# a large file arrives unchanged.
# shellcheck source=tests/interop/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

interop_start nginx wrk curl
PATH=$PATH:/usr/sbin

declare -A pid=()

nginx_start() {
	mkdir -p "$dir/$1"
	[ "$(id -u)" -ne 0 ] || chown nobody:nogroup "$dir/$1"
	cat >"$dir/$1.conf" <<-CONF
		daemon off;
		worker_processes 1;
		pid $dir/$1/pid;
		error_log stderr warn;
		events { worker_connections 1024; }
		http {
			access_log off;
			keepalive_requests 1000000;
			client_body_temp_path $dir/$1/body;
			proxy_temp_path $dir/$1/proxy;
			fastcgi_temp_path $dir/$1/fastcgi;
			uwsgi_temp_path $dir/$1/uwsgi;
			scgi_temp_path $dir/$1/scgi;
			server {
				listen 127.0.0.1:$2;
				root $dir/www;
				add_header X-Server $1;
				location = /who { return 200 "$1\n"; }
			}
		}
	CONF
	in_background "$1" nginx -p "$dir/$1" -e stderr -c "$dir/$1.conf"
	pid[$1]=$started
	wait_until 10 listens "$2" || fail "nginx $1 does not listen"
}

# load PATH: wrk through iaido; nothing may fail.
load() {
	local out

	out=$(wrk -t 2 -c 64 -d 4 "http://127.0.0.1:$iaido_port$1") || fail "wrk: $out"
	if grep -qE 'Socket errors|Non-2xx' <<<"$out"; then
		fail "wrk: $out"
	fi
	requests=$(sed -n 's/^ *\([0-9]*\) requests in.*/\1/p' <<<"$out")
	[ "${requests:-0}" -gt 0 ] || fail "wrk: $out"
}

download() {
	curl -sS --max-time 60 "http://127.0.0.1:$iaido_port/large" | cmp - "$dir/www/large" ||
		fail "the large file came changed"
}

# Who answers twelve requests, a connection each.
who() {
	local i

	for ((i = 0; i < 12; i++)); do
		curl -sS --max-time 10 "http://127.0.0.1:$iaido_port/who" || fail "curl"
	done | sort -u | tr '\n' ' '
}

mkdir "$dir/www"
head -c 67108864 /dev/urandom >"$dir/www/large"
head -c 1024 /dev/urandom >"$dir/www/small"
chmod -R a+rX "$dir/www"
a=$(free_port)
nginx_start a "$a"
b=$(free_port)
nginx_start b "$b"
iaido_start "$a,$b"

[ "$(who)" = "a b " ] || fail "not shared: $(who)"
load /small
echo "two servers: $requests requests, no error"
download
stop "${pid[a]}"
load /small
echo "one stopped: $requests requests, no error"
[ "$(who)" = "b " ] || fail "answers from: $(who)"
download
