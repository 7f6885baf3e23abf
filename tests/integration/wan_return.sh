#!/bin/sh
# A region that was swallowed and is back gets its new clients within seconds; sessions that work
# elsewhere stay there, or with forcePromotionAfter come home, spread over maintenanceTime.
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
	END
	for port in 5000 5002; do
		cat <<-END
			  - bindAddress: 127.0.0.1:$port
			    backendPool:
			      maintenanceTime: 3s
			      tiers:
			        - dialTimeout: 1s
		END
		[ $port = 5000 ] || echo "          forcePromotionAfter: 1s"
		echo "          targets:"
		wan_pool near mid
	done
} | wan_iaido
wan_wait 10 wan_settled near mid

wan_set near blackhole on
sleep 0.1
{
	echo start
	sleep 4
	echo back
	sleep 19
	echo later
	sleep 2
} | WAN_REPORT=$TMPDIR/promoted wan_load -n 20 -l 24 127.0.0.1 5002 &
{
	echo start
	sleep 4
	wan_set near blackhole off
	echo back
	sleep 19
} | wan_load -n 20 -l 24 127.0.0.1 5000
wan_expect start failed = 0
wan_expect start home = 0.0
wan_expect back failed = 0
wan_expect back ninety_home '<' 3.5
wan_expect back cut = 0
wan_expect back hung = 0
wait $!
WAN_REPORT=$TMPDIR/promoted
wan_expect back failed = 0
wan_expect back ninety_home '<' 3.5
wan_expect back cut '>=' 24 # all come home
wan_expect back cut_second '<=' 12
wan_expect later cut = 0
