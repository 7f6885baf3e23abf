#!/bin/sh
# A region that swallows packets costs the first clients the hedge's delay, not the dial's timeout;
# those who come later wait for nothing, and none fails. By default settings.
set -eu
# shellcheck source=tests/support/wan/stage.sh
. "$SRCDIR/tests/support/wan/stage.sh"
wan_enter "$@"
# shellcheck source=tests/support/wan/iaido.sh
. "$SRCDIR/tests/support/wan/iaido.sh"
wan_up near=3 mid=3
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

{
	echo start
	sleep 2
	wan_set near blackhole on
	echo hole
	sleep 3
	echo later
	sleep 3
} | wan_load -n 40 -l 0 -p 200 127.0.0.1 5000
wan_expect start failed = 0
wan_expect start home '>=' 90 # the last ones may meet what comes
wan_expect hole failed = 0
wan_expect hole worst '<' 1500 # dialTimeout is 2 s
wan_expect later failed = 0
wan_expect later home = 0.0
wan_expect later p99 '<' 290 # hedgeDelay is 300 ms
