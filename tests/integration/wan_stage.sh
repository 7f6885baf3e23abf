#!/bin/sh
# The WAN stage itself: delays are real, a black hole swallows, a closed listener refuses and what
# was connected goes on, and all of it can be taken back while it runs.
set -eu
# shellcheck source=tests/support/wan/stage.sh
. "$SRCDIR/tests/support/wan/stage.sh"
wan_enter "$@"
wan_up near=2 mid=1
wan_rtt near 1
wan_rtt mid 30
wan_greet near
wan_greet mid

{
	echo start
	sleep 0.5
	wan_listen mid off
	echo refuse
	sleep 0.5
	echo back
	wan_listen mid on
	sleep 1
} | wan_load -n 4 -l 2 -p 50 10.2.0.1 7000
# a connect and a greeting: two round trips of 30 ms
wan_expect start p50 '>=' 60
wan_expect start failed = 0
wan_expect refuse failed '>' 0
wan_expect refuse cut = 0
wan_expect back ninety_home = -
wan_expect back p50 '>=' 60

{
	echo start
	sleep 0.5
	wan_set near-2 blackhole on
	echo hole
	sleep 3
	echo back
	wan_set near-2 blackhole off
	sleep 6
} | wan_load -n 4 -l 2 -p 50 10.1.0.2 7000
wan_expect start new '>' 0
wan_expect hole left = 2
wan_expect back thawed = 2
wan_expect back new '>' 0
wan_expect back home = 100.0
