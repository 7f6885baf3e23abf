#!/bin/sh
# What is installed for service managers: the init script's verbs under dash, the systemd unit, the
# log rotation, and where `make install` puts them.
set -u
IAIDO=${IAIDO:?} SRCDIR=${SRCDIR:?} BUILDDIR=${BUILDDIR:?}

dir=$(mktemp -d) || exit 1
failed=0

# shellcheck disable=SC2317 # by the trap
cleanup() {
	[ ! -s "$dir/iaido.pid" ] || kill -KILL "$(cat "$dir/iaido.pid")" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT

fail() {
	echo "FAIL: $*"
	failed=1
}

# expect STATUS COMMAND...
expect() {
	want=$1
	shift
	"$@" >"$dir/out" 2>&1
	got=$?
	if [ "$got" -ne "$want" ]; then
		fail "$* ended with $got, not $want:"
		cat "$dir/out"
	fi
}

shell=$(command -v dash) || shell=/bin/sh
cat >"$dir/iaido.yaml" <<CONF
workers: 1
gracePeriod: 1s
log: {target: $dir/iaido.log}
frontends:
  - bindAddress: 127.0.0.1:0
    backendPool: {latencyBucket: -1, tiers: [{targets: [{hosts: [127.0.0.1], port: 9}]}]}
CONF
cat >"$dir/defaults" <<CONF
DAEMON=$IAIDO
CONFIG=$dir/iaido.yaml
PIDFILE=$dir/iaido.pid
STOP_TIMEOUT=10
CONF
export IAIDO_DEFAULTS="$dir/defaults"

# shellcheck disable=SC2317 # by expect
init() {
	"$shell" "$BUILDDIR/etc/init.d/iaido" "$@"
}

# wait_log TEXT COUNT
wait_log() {
	tries=200
	until [ "$(grep -c "$1" "$dir/iaido.log")" -ge "$2" ]; do
		tries=$((tries - 1))
		if [ "$tries" -eq 0 ]; then
			fail "the log does not say \"$1\" $2 times"
			return
		fi
		sleep 0.1
	done
}

expect 3 init status
expect 0 init stop
expect 7 init reload
expect 0 init start
expect 0 init status
first=$(cat "$dir/iaido.pid")
expect 0 init start
[ "$(cat "$dir/iaido.pid")" = "$first" ] || fail "a second start replaced the first"
expect 0 init reload
wait_log event=reload.done 1
expect 0 init force-reload
wait_log event=reload.done 2
[ "$(cat "$dir/iaido.pid")" = "$first" ] || fail "a reload replaced the process"
cp "$dir/iaido.yaml" "$dir/good"
echo "nosuchkey: 1" >>"$dir/iaido.yaml"
expect 6 init reload
expect 6 init restart
expect 0 init status
cp "$dir/good" "$dir/iaido.yaml"
expect 0 init restart
second=$(cat "$dir/iaido.pid")
[ "$second" != "$first" ] || fail "a restart kept the process"
[ ! -d "/proc/$first" ] || fail "the old process is still there"
kill -KILL "$second"
while [ -d "/proc/$second" ]; do sleep 0.1; done
expect 1 init status
expect 0 init start
expect 0 init stop
expect 3 init status
[ ! -e "$dir/iaido.pid" ] || fail "the pid file stays"
expect 2 init
expect 2 init nonsense
echo "DAEMON=$dir/missing" >>"$dir/defaults"
expect 5 init start

if command -v systemd-analyze >/dev/null; then
	# It looks at what the unit starts.
	sed "s,^\(Exec[A-Za-z]*\)=[^ ]*/iaido ,\1=$IAIDO ," "$BUILDDIR/contrib/systemd/iaido.service" \
		>"$dir/iaido.service"
	systemd-analyze verify --man=no "$dir/iaido.service" >"$dir/out" 2>&1 || fail "systemd-analyze verify"
	grep iaido.service "$dir/out" && fail "systemd-analyze verify has something to say"
	exposure=$(systemd-analyze security --offline=true "$dir/iaido.service" 2>&1 |
		sed -n 's/.*Overall exposure level for iaido.service: \([0-9]*\)\..*/\1/p')
	echo "exposure level of the unit: ${exposure:-?}"
	[ "${exposure:-9}" -lt 3 ] || fail "the unit is exposed: ${exposure:-unknown}"
else
	echo "SKIP: systemd-analyze is missing"
fi

if command -v logrotate >/dev/null; then
	logrotate -d "$SRCDIR/contrib/logrotate/iaido" >"$dir/out" 2>&1 || fail "logrotate"
	! grep -i '^error' "$dir/out" || fail "logrotate has something to say"
else
	echo "SKIP: logrotate is missing"
fi

exit "$failed"
