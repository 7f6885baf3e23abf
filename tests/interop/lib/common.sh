# shellcheck shell=bash
# Shared by the tests against other people's software: a temporary directory, servers that run as an
# ordinary user on free ports, an iaido in front of them, and an end that leaves nothing behind.
# A test sources this, then calls interop_start PACKAGE...

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
# shellcheck source=contrib/lib/setup.sh
. "$top/contrib/lib/setup.sh"

dir=
declare -a cleanup_pids=()

interop_end() {
	local status=$? pid

	trap - EXIT
	for pid in "${cleanup_pids[@]}"; do
		kill "$pid" 2>/dev/null
	done
	for pid in "${cleanup_pids[@]}"; do
		wait "$pid" 2>/dev/null
	done
	if [ "$status" -ne 0 ] && [ -n "$dir" ]; then
		tail -n 50 "$dir"/*.log >&2
	fi
	[ -z "$dir" ] || rm -rf "$dir"
	exit "$status"
}

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# Put before a command: who the servers run as. Nobody for root, else oneself.
declare -a as_user=()

# interop_start PACKAGE...: installs these, and prepares $dir and the iaido to test.
interop_start() {
	set -u
	exec </dev/null
	trap interop_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	install_packages util-linux iproute2 "$@"
	if [ -z "${IAIDO-}" ]; then
		# A list of words on purpose.
		# shellcheck disable=SC2086
		install_packages $BUILD_PACKAGES
		build_in build-interop >/dev/null || fail "the build failed"
		IAIDO=$top/build-interop/iaido
	fi
	dir=$(mktemp -d /tmp/iaido-interop.XXXXXX)
	# The tree may lie where an ordinary user cannot look.
	cp "$IAIDO" "$dir/iaido"
	chmod 755 "$dir" "$dir/iaido"
	if [ "$(id -u)" -eq 0 ]; then
		chown nobody:nogroup "$dir"
		as_user=(setpriv --reuid=nobody --regid=nogroup --clear-groups -- env "HOME=$dir")
	fi
}

# Prints a port of 127.0.0.1 that nobody listens on: below the range that the kernel hands out.
free_port() {
	local port

	while :; do
		port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
		[ -n "$(ss -Hltn "sport = :$port")" ] || break
	done
	echo "$port"
}

# in_background NAME COMMAND...: as that user, with its output in $dir/NAME.log; sets $started.
in_background() {
	local name=$1

	shift
	"${as_user[@]}" "$@" >>"$dir/$name.log" 2>&1 &
	started=$!
	cleanup_pids+=("$started")
}

# stop PID: and wait until it has gone.
stop() {
	kill "$1"
	wait "$1" 2>/dev/null
	return 0
}

listens() {
	[ -n "$(ss -Hltn "sport = :$1")" ]
}

# iaido_start PORT,... [PORT,...]: one iaido in front of these ports, a tier for each argument.
iaido_start() {
	local tier port

	{
		printf 'gracePeriod: 1s\nfrontends:\n  - bindAddress: 127.0.0.1:0\n'
		printf '    backendPool:\n      tiers:\n'
		for tier; do
			printf '        - targets:\n'
			for port in ${tier//,/ }; do
				printf '            - {hosts: [127.0.0.1], port: %s}\n' "$port"
			done
		done
	} >"$dir/iaido.yaml"
	in_background iaido "$dir/iaido" -c "$dir/iaido.yaml"
	wait_until 10 grep -qs 'listening on' "$dir/iaido.log" || fail "iaido does not listen"
	iaido_port=$(sed -n 's/.*listening on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$dir/iaido.log" |
		head -n 1)
	[ -n "$iaido_port" ] || fail "iaido did not say where it listens"
}
