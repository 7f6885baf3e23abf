#!/bin/sh
# Probes are unseen by the backend's program: a real PostgreSQL that logs every connection has no
# line of them, while it answers what comes through iaido.
set -eu
PATH=$PATH:$(echo /usr/lib/postgresql/*/bin | tr ' ' ':')
for tool in initdb postgres psql setpriv curl; do
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
wan_up near=1
wan_rtt near 1

as_user() { # PostgreSQL refuses to be run by root
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

mkdir -m 777 "$TMPDIR/pg"
as_user env HOME="$TMPDIR/pg" initdb -D "$TMPDIR/pg/data" -A trust -U app -N >"$TMPDIR/initdb" 2>&1 || {
	cat "$TMPDIR/initdb"
	wan_skip "initdb does not work here"
}
echo "host all all 10.0.0.0/8 trust" >>"$TMPDIR/pg/data/pg_hba.conf"
wan_in near setpriv --reuid 65534 --regid 65534 --clear-groups postgres -D "$TMPDIR/pg/data" \
	-k "$TMPDIR/pg" -h 10.1.0.1 -p 7000 -c log_connections=on -c log_disconnections=on \
	-c log_min_messages=debug1 >"$TMPDIR/pg.log" 2>&1 &
wan_wait 20 grep -q "ready to accept connections" "$TMPDIR/pg.log" || {
	cat "$TMPDIR/pg.log"
	exit 1
}
{
	cat <<-END
		diagAddr: 127.0.0.1:5001
		frontends:
		  - bindAddress: 127.0.0.1:5000
		    rebalanceDuration: 100ms
		    backendPool:
		      tiers:
		        - targets:
	END
	wan_pool near
} | wan_iaido

probes() {
	wan_in client curl -s http://127.0.0.1:5001/metrics |
		awk '/^iaido_backend_probes_total.*success/ { n += $2 } END { print n + 0 }'
}

probed() {
	[ "$(probes)" -ge "$1" ]
}

sleep 0.5 # what PostgreSQL says of its own start comes first
lines=$(wc -l <"$TMPDIR/pg.log")
wan_wait 20 probed $(($(probes) + 30))
sed "1,${lines}d" "$TMPDIR/pg.log" >"$TMPDIR/pg.new"
if grep -i -e connection -e packet "$TMPDIR/pg.new"; then
	echo "does not hold: the backend's program saw a probe"
	exit 1
fi
answer=$(wan_in client psql -h 127.0.0.1 -p 5000 -U app -d postgres -Atc 'select 41 + 1')
[ "$answer" = 42 ]
wan_wait 5 grep -q "connection authorized" "$TMPDIR/pg.log"
