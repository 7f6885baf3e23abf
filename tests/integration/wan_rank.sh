#!/bin/sh
# Ranks under the noise of a network: jitter of a quarter of a bucket where two groups meet moves
# no backend, a lost SYN's retransmission is no latency, and a lasting shift is followed.
set -eu
# shellcheck source=tests/support/wan/stage.sh
. "$SRCDIR/tests/support/wan/stage.sh"
wan_enter "$@"
# shellcheck source=tests/support/wan/iaido.sh
. "$SRCDIR/tests/support/wan/iaido.sh"
wan_up near=2 mid=2
wan_rtt near 2
wan_rtt mid 42
wan_greet near
wan_greet mid
{
	cat <<-END
		diagAddr: 127.0.0.1:5001
		frontends:
		  - bindAddress: 127.0.0.1:5000
		    rebalanceDuration: 200ms
		    backendPool:
		      latencyBucket: 40ms
		      tiers:
		        - targets:
	END
	wan_pool mid near # latency decides, not the file's order
} | wan_iaido
wan_wait 10 wan_active 10.2.0.2

# Whether all ranks stay what they are for so many looks, a tenth of a second apart.
stays() {
	ranks >"$TMPDIR/before"
	looks=0
	while [ $looks -lt "$1" ]; do
		looks=$((looks + 1))
		sleep 0.1
		ranks >"$TMPDIR/now"
		cmp -s "$TMPDIR/before" "$TMPDIR/now" || {
			echo "a rank changed:"
			cat "$TMPDIR/before" "$TMPDIR/now"
			return 1
		}
	done
}

ranks() {
	wan_backends | cut -d' ' -f1-2
}

all_are_near() {
	[ "$(ranks | grep -c ' 0$')" -eq 4 ]
}

# Whether a latency looks like a retransmitted SYN: a second or more.
has_seconds() {
	wan_backends | awk '$3 ~ /[0-9]s$/ && $3 !~ /[mu]s$/ { n++ } END { exit !n }'
}

echo "== jitter on the edge of a bucket"
wan_set mid jitter 23% # 42 ms, more or less 10: a quarter of the bucket
sleep 1
stays 40

echo "== lost packets"
wan_set mid jitter 0
wan_rtt mid 100
wan_wait 10 wan_settled near mid
wan_set near loss 10%
wan_set mid loss 10%
looks=0
while [ $looks -lt 50 ]; do
	looks=$((looks + 1))
	sleep 0.1
	! has_seconds || {
		echo "a lost packet was taken for latency"
		exit 1
	}
done
wan_set near loss 0%
wan_set mid loss 0%
wan_wait 10 wan_settled near mid

echo "== a lasting shift: mid comes near, then they change places"
wan_rtt mid 6
wan_wait 10 all_are_near
wan_rtt near 100
wan_wait 10 wan_settled mid near
