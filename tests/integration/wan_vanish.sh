#!/bin/sh
# A peer that vanishes without a word ends both sides: an idle one within the bounds of keep-alive,
# one that is owed data within userTimeout; the client's side as well as the backend's.
set -eu
# shellcheck source=tests/support/wan/stage.sh
. "$SRCDIR/tests/support/wan/stage.sh"
wan_enter "$@"
# shellcheck source=tests/support/wan/iaido.sh
. "$SRCDIR/tests/support/wan/iaido.sh"
wan_up near=1 away=1
wan_rtt near 1
wan_rtt away 10
wan_greet near
{
	cat <<-END
		diagAddr: 127.0.0.1:5001
		frontends:
		  - bindAddress: 10.0.0.1:5000
		    tcp: {keepAliveIdle: 1s, keepAliveInterval: 1s, keepAliveCount: 2, userTimeout: 3s}
		    backendPool:
		      latencyBucket: -1
		      tiers:
		        - targets:
	END
	wan_pool near
} | wan_iaido
wan_wait 10 wan_state 10.1.0.1

# Sessions that ended until now: their clients come back and wait for the backend.
ended_now() {
	wan_json | sed 's/[,{}]/\n/g' |
		awk -F: '$1 == "\"timeout\"" || $1 == "\"failed\"" || $1 == "\"reset\"" { n += $2 }
			END { print n + 0 }'
}

ended_more() {
	[ "$(ended_now)" -ge $(($1 + 10)) ]
}

active_is() {
	[ "$(wan_active 10.1.0.1)" -eq "$1" ]
}

start_sessions() { # OPTION...
	rm -f "$TMPDIR/marks"
	mkfifo "$TMPDIR/marks"
	ip netns exec away "$BUILDDIR/tests/support/wan/load" -n 0 -l 10 "$@" 10.0.0.1 5000 \
		<"$TMPDIR/marks" &
	wan_load_pid=$!
	exec 3>"$TMPDIR/marks"
	wan_wait 10 active_is 10 || die "no sessions"
}

end_sessions() {
	kill "$wan_load_pid"
	exec 3>&-
	wan_set away blackhole off
	wan_set near blackhole off
	wan_wait 12 active_is 0 || die "sessions without a client remain"
}

die() {
	echo "does not hold: $*"
	exit 1
}

for quiet in "" -q; do
	echo "== clients ${quiet:+that are idle }vanish"
	# shellcheck disable=SC2086 # one word or none
	start_sessions $quiet
	wan_set away blackhole on
	wan_wait 10 active_is 0 || die "they are still there"
	end_sessions

	echo "== a backend ${quiet:+whose sessions are idle }vanishes"
	# shellcheck disable=SC2086
	start_sessions $quiet
	ended=$(ended_now)
	wan_set near blackhole on
	wan_wait 10 ended_more "$ended" || die "its sessions are still there"
	end_sessions
done
