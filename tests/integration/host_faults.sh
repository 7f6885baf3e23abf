#!/bin/sh
# What the machine takes away: an address of its own, IPv6, room for the log, a root that can be
# written to. What serves goes on serving; what cannot be had is refused, and it is said why.
set -eu
# shellcheck source=tests/support/wan/stage.sh
. "$SRCDIR/tests/support/wan/stage.sh"
for tool in bash curl; do
	command -v $tool >/dev/null || wan_skip "$tool is missing"
done
wan_enter "$@"
cd "$TMPDIR"

IAIDO=${IAIDO:-$BUILDDIR/iaido}
run=

# shellcheck disable=SC2317 # by the trap
show_log() {
	status=$?
	[ "$status" -eq 0 ] || [ "$status" -eq 77 ] || sed 's/^/  iaido: /' "$TMPDIR/iaido.log"
	exit "$status"
}
trap show_log EXIT

"$BUILDDIR/tests/support/wan/greet" four 127.0.0.1 7000 >greet.log 2>&1 &
wan_wait 5 grep -q ready greet.log

# configure TOP ADDRESS...: a frontend on each, before the server
configure() {
	{
		printf '%b\n' "$1" "workers: 1"
		echo "frontends:"
		shift
		for address; do
			echo "  - bindAddress: '$address'"
			echo "    waitTimeout: 1s"
			echo "    backendPool: {tiers: [{targets: [{hosts: [$hosts], port: 7000}]}]}"
		done
	} >iaido.yaml.new
	mv iaido.yaml.new iaido.yaml
}
hosts=127.0.0.1

# As `!`, but what does not hold ends the script.
not() {
	! "$@" 2>/dev/null
}

logged() { # TEXT COUNT
	[ "$(grep -c "$1" iaido.log)" -ge "$2" ]
}

start() {
	"$IAIDO" -c iaido.yaml --reloadPeriod 0 >iaido.log 2>&1 &
	run=$!
	wan_wait 10 logged "listening on" 1
}

stop() {
	kill "$run"
	wait "$run"
}

# Ends with 1, and says this.
refuses() {
	status=0
	timeout 20 "$IAIDO" -c iaido.yaml >iaido.log 2>&1 || status=$?
	[ "$status" -eq 1 ]
	grep -q "$1" iaido.log
}

# Who greets at ADDRESS PORT.
greeting() {
	timeout 10 bash -c "exec 3<>/dev/tcp/$1/$2; head -n 1 <&3"
}

greets() {
	greeting "$1" "$2" | grep -q four
}

last_reload() {
	curl -s --max-time 5 'http://127.0.0.1:5001/statusz?format=json' |
		grep -o '"lastReload": *{[^}]*}'
}

echo "== an address goes"
ip addr add 10.9.0.1/32 dev lo
configure "diagAddr: 127.0.0.1:5001" 127.0.0.1:5000 10.9.0.1:5000
start
bash -c 'exec 3<>/dev/tcp/10.9.0.1/5000; cat <&3' >held.log &
held=$!
wan_wait 5 grep -q four held.log
ip addr del 10.9.0.1/32 dev lo
kill -HUP "$run" # what it has it keeps
wan_wait 10 logged event=reload.done 1
kill -0 "$held"
configure "diagAddr: 127.0.0.1:5001" 127.0.0.1:5000 10.9.0.1:5000 10.9.0.2:5000
kill -HUP "$run"
wan_wait 10 logged event=reload.failed 1
why="frontends\[2\].bindAddress: cannot listen on 10.9.0.2:5000: Cannot assign requested address"
grep -q "$why" iaido.log
last_reload | grep -q '"ok": *false'
last_reload | grep -q "$why"
greets 127.0.0.1 5000
not greets 10.9.0.2 5000
ip addr add 10.9.0.1/32 dev lo
ip addr add 10.9.0.2/32 dev lo
kill -HUP "$run"
wan_wait 10 logged event=reload.done 2
last_reload | grep -q '"ok": *true'
greets 10.9.0.1 5000
greets 10.9.0.2 5000
kill -0 "$held"
kill "$held"
stop

echo "== an address that is not ours, and may be bound"
configure "" 10.9.0.3:5000
refuses "cannot listen on 10.9.0.3:5000: Cannot assign requested address"
echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind
start
ip addr add 10.9.0.3/32 dev lo
greets 10.9.0.3 5000
stop

echo "== IPv4 as IPv6 writes it"
hosts="'::ffff:127.0.0.1'"
configure "" "[::ffff:127.0.0.1]:5000"
start
grep -q "listening on 127.0.0.1:5000" iaido.log
greets 127.0.0.1 5000
stop

echo "== no IPv6"
if [ -w /proc/sys/net/ipv6/conf/all/disable_ipv6 ]; then
	echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
fi
hosts="'::1', 127.0.0.1"
configure "diagAddr: :5001" :5000
start
greets 127.0.0.1 5000
greets 10.9.0.1 5000
last_reload | grep -q '"ok": *true'
hosts="'::1'"
configure "diagAddr: :5001" :5000
kill -HUP "$run"
wan_wait 10 logged event=reload.done 1
not greets 127.0.0.1 5000 # it is reset, once waitTimeout is over
hosts=127.0.0.1
configure "diagAddr: :5001" :5000
kill -HUP "$run"
wan_wait 10 logged event=reload.done 2
greets 127.0.0.1 5000
not logged event=worker.died 1
stop
configure "" "[::1]:5000"
refuses "frontends\[0\].bindAddress: cannot listen on \[::1\]:5000: "

echo "== a disk that is full"
mkdir small
mount -t tmpfs -o size=64k tmpfs small
configure "log: {target: $TMPDIR/small/log, connections: true}\npidFile: $TMPDIR/small/pid" :5000
"$IAIDO" -c iaido.yaml >iaido.log 2>&1 &
run=$!
wan_wait 10 grep -q event=master.ready small/log
dd if=/dev/zero of=small/rest 2>/dev/null || :
count=0
while [ "$count" -lt 50 ]; do
	count=$((count + 1))
	greets 127.0.0.1 5000
done
kill -USR1 "$run"
greets 127.0.0.1 5000
rm small/rest
greets 127.0.0.1 5000
wan_wait 5 grep -q dropped small/log
[ "$(cat small/pid)" = "$run" ]
stop
not test -e small/pid

echo "== a root that is read-only"
mkdir etc
configure "diagAddr: :5001" :5000
mv iaido.yaml etc
cp "$IAIDO" etc/iaido # the build may lie on a file system of its own
mount --bind / /mnt
mount -o remount,bind,ro /mnt
mount --rbind /proc /mnt/proc
mount --rbind /dev /mnt/dev
mount --bind etc /mnt/srv
mount -o remount,bind,ro /mnt/srv
not touch /mnt/tmp/file
chroot /mnt /srv/iaido -c /srv/iaido.yaml --reloadPeriod 0 >iaido.log 2>&1 &
run=$!
wan_wait 10 logged "event=master.ready" 1
greets 127.0.0.1 5000
kill -HUP "$run"
wan_wait 10 logged event=reload.done 1
kill -USR1 "$run"
greets 127.0.0.1 5000
kill -USR2 "$run"
wan_wait 20 logged event=upgrade.done 1
greets 127.0.0.1 5000
stop
{
	echo "pidFile: /run/iaido.pid"
	cat etc/iaido.yaml
} >etc/pid.yaml
status=0
timeout 20 chroot /mnt /srv/iaido -c /srv/pid.yaml >iaido.log 2>&1 || status=$?
[ "$status" -eq 1 ]
grep -q 'pidFile: cannot open "/run/iaido.pid": Read-only file system' iaido.log
