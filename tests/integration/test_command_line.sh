#!/bin/sh
# The command line of the real program: what goes where, and with which exit status.
set -u

dir=$(mktemp -d "${TMPDIR:-/tmp}/iaido-command-line-XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failures=0

# run STATUS ARGUMENTS...: leaves the two outputs in out and err.
run() {
	want=$1
	shift
	"$IAIDO" "$@" >out 2>err
	got=$?
	[ "$got" -eq "$want" ] || fail "iaido $*: exit status $got, not $want: $(cat err)"
}

fail() {
	echo "FAILED: $*" >&2
	failures=$((failures + 1))
}

# has FILE LINE: that very line stands in the file.
has() {
	grep -qxF -e "$2" "$1" || fail "no line \"$2\" in $1: $(cat "$1")"
}

is_empty() {
	[ ! -s "$1" ] || fail "$1 is not empty: $(cat "$1")"
}

cat >good.yaml <<'END'
diagAddr: :6060
frontends:
  - backendPool:
      latencyBucket: 10ms
      maintenanceTime: 5s
      tiers:
        - dialFailureTimeout: 30s
          forcePromotionAfter: 0s
          maxBackendConnections: 32
          targets:
            - {disabled: false, hosts: [node1, node2, node3], port: 26257, proto: TCP}
    bindAddress: :26257
    idleDuration: 1h0m0s
    rebalanceDuration: 10s
gracePeriod: 30s
END

# -V and -h, also when something else is asked for.
run 0 -V && is_empty err
grep -q '^iaido [0-9]' out || fail "-V: $(cat out)"
run 0 --help && is_empty err
grep -q '^usage: iaido' out || fail "--help: $(cat out)"
"$IAIDO" -h >/dev/full 2>err
[ $? -eq 1 ] || fail "-h to a full disk"

# Bad usage is 2, says what, and points to --help, on stderr.
for bad in -x --nope 'operand' '-t --check' '--status -t' '-b 1:2' '-f' '--watch' '-c' \
	'--reloadPeriod 5'; do
	# shellcheck disable=SC2086 # split on purpose
	run 2 $bad && is_empty out
	has err "Try 'iaido --help' for more information."
done

# -t: everything on stderr.
run 0 -t -c good.yaml && is_empty out
has err 'iaido: configuration file good.yaml test is successful'
cp good.yaml iaido.yaml
run 0 --test && is_empty out
has err 'iaido: configuration file iaido.yaml test is successful'
rm iaido.yaml
run 1 -t
has err 'iaido.yaml: No such file or directory'

# All faults in one run, with their places; nothing on stdout.
cat >bad.yaml <<'END'
gracePeriod: 5
frontends:
- bindAddress: :80
  backendPool:
    tiers:
    - targets:
      - {hosts: [a], port: 70000, proto: UDP}
- bindAddress: :80
  backendPool: {tiers: []}
END
for action in -t --check; do
	run 1 "$action" -c bad.yaml && is_empty out
	has err 'bad.yaml:1:14: gracePeriod: "5" lacks a unit: write it as 300ms, 10s or 1h0m0s'
	has err 'bad.yaml:7:28: frontends[0].backendPool.tiers[0].targets[0].port: must be from 1 to 65535, not "70000"'
	has err 'bad.yaml:7:42: frontends[0].backendPool.tiers[0].targets[0].proto: UDP is not supported: only TCP is relayed'
	has err 'bad.yaml:8:16: frontends[1].bindAddress: :80 is the same address as :80 in line 3'
	has err 'bad.yaml:9:24: frontends[1].backendPool.tiers: must not be empty'
	has err 'iaido: configuration file bad.yaml test failed'
done

# A configuration that is no good is not run either.
run 1 -c bad.yaml && is_empty out
grep -q 'bad.yaml:1:14: gracePeriod: ' err || fail "run with a bad file: $(cat err)"

# Warnings do not fail the test.
cat >warned.yaml <<'END'
frontends:
- backendPool:
    tiers:
    - targets: [{hosts: [10.0.0.1], port: 1}]
    - targets: [{hosts: [10.0.0.1], port: 1}]
END
run 0 -t -c warned.yaml
grep -q '^warned.yaml:5:26: .*counts once, there (warning)$' err || fail "warning: $(cat err)"

# --check prints what loads again and prints itself.
run 0 --check -c good.yaml && is_empty err
cp out checked.yaml
has out 'diagAddr: :6060'
has out 'gracePeriod: 30s'
has out '- bindAddress: :26257'
has out '  idleDuration: 1h0m0s'
has out '        port: 26257'
has out '        proto: TCP'
run 0 --check -c checked.yaml
cmp -s out checked.yaml || fail "--check of --check differs"
"$IAIDO" --check -c good.yaml >/dev/full 2>err
[ $? -eq 1 ] || fail "--check to a full disk"

# What cannot be a configuration file does not hang.
mkfifo fifo
run 1 -t -c fifo
has err 'fifo: is not a regular file'
run 1 -t -c .
has err '.: is a directory, not a file'

# Bootstrap: message on stderr, the file on stdout, in order, and loadable.
run 0 -c new.yaml -b 8080:web2:80 -b 443:tls:9000 -b '8080:web1:80' -b '8080:[::1]:79' \
	--bootstrapAddr 127.0.0.2
has err 'wrote bootstrapped configuration file to new.yaml'
cmp -s out new.yaml || fail "bootstrap: stdout and file differ"
[ "$(grep -E 'diagAddr|bindAddress|port:|^ *- [^ ]*$' new.yaml | grep -v hosts: | tr -d ' \n')" = \
	"diagAddr:127.0.0.2:13013-bindAddress:127.0.0.2:443-tlsport:9000-bindAddress:127.0.0.2:8080-::1port:79-web1-web2port:80" ] ||
	fail "bootstrap: $(cat new.yaml)"
run 0 -t -c new.yaml
cp new.yaml former.yaml
run 1 -c new.yaml -b 8080:web:80 && is_empty out
has err 'iaido: new.yaml: File exists: give --force to overwrite it'
cmp -s new.yaml former.yaml || fail "bootstrap: the file was touched"
ln -s new.yaml link.yaml
run 0 -c link.yaml -f -b 8080:web:80
[ -L link.yaml ] || fail "bootstrap: the symlink was replaced"
grep -q 'web$' new.yaml || fail "bootstrap: not written through the symlink"
run 1 -c other.yaml -b 13013:web:80 && is_empty out
[ ! -e other.yaml ] || fail "bootstrap: wrote a file that is no good"
run 1 -c none/new.yaml -b 80:web:80
has err 'iaido: none/new.yaml: No such file or directory'

run 1 -c fifo -f -b 8080:web:80 && is_empty out
has err 'iaido: fifo: is not a regular file'

# The configuration is not overwritten by a process number.
cat >quiet.yaml <<'END'
frontends: []
END
cp quiet.yaml former.yaml
run 1 -c quiet.yaml -p ./quiet.yaml
has err 'iaido: pidFile: "./quiet.yaml" is the configuration file'
cmp -s quiet.yaml former.yaml || fail "-p: the configuration was overwritten"

# Descriptors 0 to 2 may be closed.
"$IAIDO" --check -c good.yaml >&- 2>&- <&-
"$IAIDO" -t -c good.yaml >&- 2>&- <&- || fail "-t with closed descriptors"

[ "$failures" -eq 0 ]
