#!/bin/sh
# Names as a real server (unbound) tells them: a TTL that ends, an address that comes, one that goes,
# a name that goes, search domains as in Kubernetes, a server that dies, another resolv.conf.
set -eu
PATH=$PATH:/usr/sbin
for tool in unbound unbound-control curl bash; do
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

# unbound_start NUMBER: a server of 127.0.0.NUMBER that knows nothing yet
unbound_start() {
	mkdir -p "$TMPDIR/unbound.$1"
	cat >"$TMPDIR/unbound.$1/conf" <<-END
		server:
		  interface: 127.0.0.$1
		  directory: "$TMPDIR/unbound.$1"
		  chroot: ""
		  username: ""
		  pidfile: "$TMPDIR/unbound.$1/pid"
		  use-syslog: no
		  do-daemonize: no
		  module-config: "iterator"
		  local-zone: "." static
		remote-control:
		  control-enable: yes
		  control-interface: $TMPDIR/unbound.$1/ctl
		  control-use-cert: no
	END
	wan_in client unbound -c "$TMPDIR/unbound.$1/conf" >"$TMPDIR/unbound.$1/log" 2>&1 &
	wan_wait 10 unbound_say "$1" status || {
		cat "$TMPDIR/unbound.$1/log"
		wan_skip "unbound does not run here"
	}
}

unbound_say() {
	number=$1
	shift
	unbound-control -c "$TMPDIR/unbound.$number/conf" "$@" >/dev/null
}

unbound_start 53
unbound_say 53 local_data db.test 1 IN A 10.1.0.1
unbound_say 53 local_data db.test 1 IN A 10.1.0.2
unbound_say 53 local_data other.test 1 IN A 10.1.0.1
unbound_say 53 local_data api.ns.svc.cluster.local 1 IN A 10.1.0.3
unbound_say 53 local_data six.test 1 IN AAAA fd00:0:0:1::1
dns_hosts "10.1.0.2 filed" "10.1.0.3 filed"
dns_system "nameserver 127.0.0.53" \
	"search ns.svc.cluster.local svc.cluster.local cluster.local" "options ndots:5"
wan_iaido <<END
diagAddr: 127.0.0.1:5001
frontends:
  - bindAddress: 127.0.0.1:5000
    rebalanceDuration: 200ms
    backendPool:
      maintenanceTime: 500ms
      tiers: [{targets: [{hosts: [db.test], port: 7000}]}]
  - bindAddress: 127.0.0.1:5002
    backendPool: {tiers: [{targets: [{hosts: [nosuch.test, api], port: 7000}]}]}
  - bindAddress: 127.0.0.1:5003
    backendPool: {tiers: [{targets: [{hosts: [six.test, other.test, filed], port: 7000}]}]}
END

echo "== at the start"
dns_wait db.test 10.1.0.1,10.1.0.2 -
dns_wait api 10.1.0.3 -
dns_wait six.test fd00:0:0:1::1 -
dns_wait filed 10.1.0.2,10.1.0.3 -
dns_wait nosuch.test - "no such name"
dns_greets 5002 near-3
dns_logged 1 dns.failed nosuch.test

echo "== an address comes, without another process"
workers=$(wan_json | grep -o '"generation":[^,}]*')
unbound_say 53 local_data db.test 1 IN A 10.1.0.3
dns_wait db.test 10.1.0.1,10.1.0.2,10.1.0.3 -
wan_wait 5 dns_state_is 10.1.0.3 up
[ "$(wan_json | grep -o '"generation":[^,}]*')" = "$workers" ]

echo "== an address goes: nothing new, then its connections end"
unbound_say 53 local_data_remove db.test
unbound_say 53 local_data db.test 1 IN A 10.1.0.2
dns_wait db.test 10.1.0.2 -
dns_greets 5000 near-2
wan_in client bash -c 'exec 3<>/dev/tcp/127.0.0.1/5000; head -n 1 <&3; cat <&3' \
	>"$TMPDIR/held" 2>&1 &
held=$!
wan_wait 5 grep -q near-2 "$TMPDIR/held"
unbound_say 53 local_data_remove db.test
unbound_say 53 local_data db.test 1 IN A 10.1.0.1
wan_wait 5 dns_state_is 10.1.0.2 draining
dns_greets 5000 near-1
kill -0 $held # one more TTL
wan_wait 10 sh -c "! kill -0 $held"

echo "== a name goes: its last good answer is kept, and that is said once"
unbound_say 53 local_data_remove db.test
dns_wait db.test 10.1.0.1 "no such name"
sleep 2
dns_greets 5000 near-1
dns_logged 1 dns.failed db.test
unbound_say 53 local_data db.test 1 IN A 10.1.0.3
dns_wait db.test 10.1.0.3 -
dns_logged 1 dns.recovered db.test
dns_logged 0 dns.failed other.test

echo "== the server dies"
kill -KILL "$(cat "$TMPDIR/unbound.53/pid")"
dns_wait db.test 10.1.0.3 "no server can be reached"
dns_greets 5000 near-3

echo "== another resolv.conf, and another hosts file"
unbound_start 54
unbound_say 54 local_data db.test 1 IN A 10.1.0.2
unbound_say 54 local_data api.example 1 IN A 10.1.0.1
dns_system "nameserver 127.0.0.54" "search example"
dns_hosts "10.1.0.1 filed"
dns_wait db.test 10.1.0.2 -
dns_wait api 10.1.0.1 -
dns_wait filed 10.1.0.1 -
dns_greets 5002 near-1

echo "== a resolv.conf that is empty for a moment"
dns_system ""
sleep 1.5
dns_greets 5000 near-2
dns_system "nameserver 127.0.0.54"
dns_wait db.test 10.1.0.2 -
