#!/bin/sh
# A region that refuses costs no client anything and no working session its life; one backend that
# flaps each second costs nothing either. Back, it serves again at once.
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
		      maintenanceTime: 1s
		      tiers:
		        - targets:
	END
	wan_pool near mid
} | wan_iaido
wan_wait 10 wan_settled near mid

{
	echo start
	sleep 1
	wan_listen near off
	echo refuse
	sleep 4
	wan_listen near on
	echo back
	sleep 4
	wan_listen near-1 off
	echo flap
	for _ in 1 2 3; do
		sleep 1
		wan_listen near-1 on
		sleep 1
		wan_listen near-1 off
	done
} | wan_load -n 40 -l 20 127.0.0.1 5000
wan_expect start home '>=' 90 # the last ones may meet what comes
wan_expect refuse failed = 0
wan_expect refuse home = 0.0
wan_expect refuse cut = 0
wan_expect refuse hung = 0
wan_expect refuse worst '<' 290 # no hedge was needed
wan_expect back failed = 0
wan_expect back ninety_home '<' 3.5
wan_expect back cut = 0
wan_expect flap failed = 0
wan_expect flap cut = 0
wan_expect flap home '>=' 99
