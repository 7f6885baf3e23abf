#!/bin/sh
# Sessions of a region that swallows packets end within 7 s, by default settings: nothing of a
# failed backend that has not acknowledged for 5 s is kept. Their clients come back elsewhere.
set -eu
# shellcheck source=tests/support/wan/stage.sh
. "$SRCDIR/tests/support/wan/stage.sh"
wan_enter "$@"
# shellcheck source=tests/support/wan/iaido.sh
. "$SRCDIR/tests/support/wan/iaido.sh"
wan_up near=2 mid=2
wan_rtt near 1
wan_rtt mid 30
wan_greet near
wan_greet mid
{
	cat <<-END
		diagAddr: 127.0.0.1:5001
		frontends:
		  - bindAddress: 127.0.0.1:5000
		    backendPool:
		      tiers:
		        - targets:
	END
	wan_pool near mid
} | wan_iaido
wan_wait 10 wan_settled near mid

# One session that says nothing: all that is unacknowledged in the end is its FIN. (bash, for its
# /dev/tcp; $1 is its own.)
# shellcheck disable=SC2016
wan_in client bash -c 'exec 9<>/dev/tcp/127.0.0.1/5000 && read -r <&9 && : >"$1/greeted" &&
	while [ ! -e "$1/hole" ]; do sleep 0.05; done; exec 9>&-' bash "$TMPDIR" &
is_greeted() { [ -e "$TMPDIR/greeted" ]; }
wan_wait 10 is_greeted

{
	echo start
	sleep 1
	wan_set near blackhole on
	echo hole
	: >"$TMPDIR/hole"
	sleep 9
	wan_backends >"$TMPDIR/after"
} | wan_load -n 4 -l 20 127.0.0.1 5000
wan_expect start cut = 0
wan_expect hole hung = 20
wan_expect hole left = 0
wan_expect hole hung_worst '<=' 7
awk '{ active[$1 ~ /^10\.1\./] += $5 } END { exit !(active[1] == 0 && active[0] >= 20) }' \
	"$TMPDIR/after" || {
	cat "$TMPDIR/after"
	exit 1
}
