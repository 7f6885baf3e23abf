#!/bin/sh
# Names as a hostile server tells them: whatever it answers, iaido serves on with the last good
# answer, its neighbours follow their changes, and the fault is said once and by its name.
set -eu
for tool in curl bash; do
	command -v $tool >/dev/null || {
		echo "skipped: $tool is missing"
		exit 77
	}
done
# shellcheck source=tests/support/wan/stage.sh
. "$SRCDIR/tests/support/wan/stage.sh"
wan_enter "$@"
# shellcheck source=tests/support/wan/iaido.sh
. "$SRCDIR/tests/support/wan/iaido.sh"
# shellcheck source=tests/support/wan/dns.sh
. "$SRCDIR/tests/support/wan/dns.sh"
wan_up near=3
wan_greet near

zone() {
	printf '%s\n' "$@" >"$TMPDIR/zone.new"
	mv "$TMPDIR/zone.new" "$TMPDIR/zone"
}

good() { # and more lines
	zone "db.test A 1 10.1.0.1" "db.test AAAA 1 fd00:0:0:1::1" "other.test A 1 10.1.0.2" \
		"many.test many 200 1 10.9.0.1" "six.test AAAA 1 fd00:0:0:1::2" "$@"
}

good
wan_in client "$BUILDDIR/tests/support/dnsd/dnsd" -a 127.0.0.53 -p 53 -z "$TMPDIR/zone" \
	>"$TMPDIR/dnsd.log" &
wan_wait 5 grep -q ready "$TMPDIR/dnsd.log"
dns_system "nameserver 127.0.0.53" "options ndots:1"
wan_iaido <<END
diagAddr: 127.0.0.1:5001
resolver: {timeout: 300ms, maxTTL: 2s}
frontends:
  - bindAddress: 127.0.0.1:5000
    rebalanceDuration: 500ms
    backendPool: {tiers: [{targets: [{hosts: [db.test], port: 7000}]}]}
  - bindAddress: 127.0.0.1:5002
    backendPool: {tiers: [{targets: [{hosts: [other.test], port: 7000}]}]}
  - bindAddress: 127.0.0.1:5003
    backendPool: {latencyBucket: -1, tiers: [{targets: [{hosts: [many.test, six.test], port: 7000}]}]}
END
dns_wait db.test 10.1.0.1,fd00:0:0:1::1 -
dns_wait other.test 10.1.0.2 -
dns_wait six.test fd00:0:0:1::2 -
dns_wait many.test '10.9.0.*' -
[ "$(dns_name many.test | tr ',' '\n' | wc -l)" -eq 200 ]
grep -q "query tcp" "$TMPDIR/dnsd.log"

faults=0
for what in nxdomain servfail silent wrongid garbage loop; do # the others: test_resolver.c
	echo "== $what"
	faults=$((faults + 1))
	# the neighbour follows its changes meanwhile
	zone "db.test do $what" "other.test A 1 10.1.0.$((faults % 3 + 1))"
	dns_wait db.test 10.1.0.1,fd00:0:0:1::1 "[a-z]*"
	dns_wait other.test "10.1.0.$((faults % 3 + 1))" -
	[ "$(dns_greeting 5000)" = near-1 ]
	good "db.test do answer"
	dns_wait db.test 10.1.0.1,fd00:0:0:1::1 -
	dns_logged $faults dns.failed db.test
	dns_logged $faults dns.recovered db.test
done

echo "== forged answers beside the right one"
good "db.test do spoofed"
sleep 3
dns_wait db.test 10.1.0.1,fd00:0:0:1::1 -
dns_logged 0 192.0.2.66

echo "== one family is silent, the other one moves"
zone "db.test A 1 10.1.0.3" "db.test do silent AAAA"
dns_wait db.test 10.1.0.3,fd00:0:0:1::1 timeout

echo "== nothing but addresses that lead nowhere"
good "db.test do answer"
dns_wait db.test 10.1.0.1,fd00:0:0:1::1 -
zone "db.test A 1 0.0.0.0" "db.test do nodata AAAA"
dns_wait db.test 10.1.0.1,fd00:0:0:1::1 "no address"
