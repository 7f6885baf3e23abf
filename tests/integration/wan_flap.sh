#!/bin/sh
# A backend that stops listening while handshakes are under way resets those that its kernel has
# answered already. Before a byte went either way another backend does as well: no client fails,
# however often one flaps.
set -eu
# shellcheck source=tests/support/wan/stage.sh
. "$SRCDIR/tests/support/wan/stage.sh"
wan_enter "$@"
# shellcheck source=tests/support/wan/iaido.sh
. "$SRCDIR/tests/support/wan/iaido.sh"
wan_up near=2
wan_rtt near 5
wan_greet near
{
	cat <<-END
		diagAddr: 127.0.0.1:5001
		frontends:
		  - bindAddress: 127.0.0.1:5000
		    backendPool:
		      tiers:
		        - dialFailureTimeout: 20ms
		          targets:
	END
	wan_pool near
} | wan_iaido
wan_wait 10 wan_settled near

{
	echo flap
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		wan_listen near-1 off
		sleep 0.05
		wan_listen near-1 on
		sleep 0.05
	done
} | wan_load -n 100 -l 0 -p 100 127.0.0.1 5000
wan_expect flap new '>' 100
wan_expect flap failed = 0
wan_expect flap broken = 0
