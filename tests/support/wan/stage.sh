# shellcheck shell=sh
# The stage for what wants a small WAN; to be sourced. It needs root (or user namespaces and a
# /dev/net/tun of ours) and iproute2; $BUILDDIR says where the programs are.
#
#     . "$SRCDIR/tests/support/wan/stage.sh"
#     wan_enter "$@"             runs the script again inside namespaces of its own (mounts,
#                                processes, network), or exits 77 and says why it cannot. Whatever
#                                way the script ends, nothing is left behind. Sets $TMPDIR.
#     wan_up near=3 mid=3 far=3  a namespace `client` (10.0.0.1, fd00::1); one per region with so
#                                many addresses (10.N.0.K, fd00:0:0:N::K; N and K from 1); and the
#                                wire between them
#     wan_set WHERE KEY VALUE..  delay, jitter, loss, blackhole (see wan.c) of a region, of one of
#                                its addresses (near-2), or of any prefix
#     wan_rtt WHERE MS           the delay, as a round trip
#     wan_in NAMESPACE COMMAND   runs it there
#     wan_addr WHERE             prints the address of near-2, the IPv4 prefix of near
#     wan_greet REGION           starts a greeting server on each of its IPv4 addresses, port 7000
#     wan_listen WHERE on|off    opens and closes the listeners of a region, or of one address; its
#                                connections go on
#     wan_load ARGUMENTS         the load program (see load.c) in the client's namespace, phases on
#                                its stdin; its report is shown, and kept (in $WAN_REPORT, where
#                                there are several) for
#     wan_value PHASE KEY        prints a figure of the report
#     wan_expect PHASE KEY OPERATOR NUMBER   fails the script where that does not hold (- is less
#                                than all and more than all: it fits nothing but `= -`)
#     wan_wait SECONDS COMMAND   until it succeeds; fails when the time is over

wan_skip() {
	echo "skipped: $*"
	exit 77
}

wan_enter() {
	if [ "${WAN_STAGE:-}" = inside ]; then
		unset WAN_STAGE # what this script starts may want a stage of its own
		trap 'exit 143' TERM
		trap 'exit 130' INT
		mount -t tmpfs tmpfs /run || wan_skip "no mount"
		mkdir /run/netns
		ip link set lo up
		TMPDIR=/run/stage
		mkdir -m 777 "$TMPDIR"
		export TMPDIR
		return 0
	fi
	for wan_tool in ip unshare mount; do
		command -v "$wan_tool" >/dev/null || wan_skip "$wan_tool is missing"
	done
	[ -w /dev/net/tun ] || wan_skip "/dev/net/tun is missing, or not ours to use"
	wan_user=
	[ "$(id -u)" -eq 0 ] || wan_user=--map-root-user
	# shellcheck disable=SC2086 # empty, or one word
	unshare $wan_user --mount --net --pid --fork --mount-proc true 2>/dev/null ||
		wan_skip "no namespaces for us"
	# shellcheck disable=SC2086
	WAN_STAGE=inside exec unshare $wan_user --mount --net --pid --fork --kill-child=KILL \
		--mount-proc -- "$0" "$@"
}

wan_in() {
	wan_ns=$1
	shift
	ip netns exec "$wan_ns" "$@"
}

wan_wait() {
	wan_until=$(($(date +%s) + $1 + 1))
	shift
	until "$@" 2>/dev/null; do
		[ "$(date +%s)" -lt "$wan_until" ] || return 1
		sleep 0.02
	done
}

# Number of a region, as wan_up counted.
wan_number() {
	wan_n=0
	for wan_name in $WAN_REGIONS; do
		wan_n=$((wan_n + 1))
		[ "${wan_name%=*}" = "$1" ] && echo "$wan_n" && return 0
	done
	return 1
}

wan_addr() {
	case $1 in
	*[.:]*) echo "$1" ;;
	*-*) echo "10.$(wan_number "${1%-*}").0.${1##*-}" ;;
	*) echo "10.$(wan_number "$1").0.0/16" ;;
	esac
}

wan_up() {
	WAN_REGIONS=$*
	wan_specs="client:10.0.0.0/16,fd00::/64"
	ip netns add client
	wan_n=0
	for wan_region in "$@"; do
		wan_n=$((wan_n + 1))
		ip netns add "${wan_region%=*}"
		wan_specs="$wan_specs ${wan_region%=*}:10.$wan_n.0.0/16,fd00:0:0:$wan_n::/64"
	done
	# shellcheck disable=SC2086 # one word each
	"$BUILDDIR/tests/support/wan/wan" -s "$TMPDIR/wan.ctl" $wan_specs >"$TMPDIR/wan.out" 2>&1 &
	wan_wait 5 grep -q ready "$TMPDIR/wan.out" || {
		cat "$TMPDIR/wan.out"
		wan_skip "no wire"
	}
	wan_address client 0 1
	wan_n=0
	for wan_region in "$@"; do
		wan_n=$((wan_n + 1))
		wan_address "${wan_region%=*}" "$wan_n" "${wan_region#*=}"
	done
}

wan_address() { # NAMESPACE NUMBER COUNT
	{
		echo "link set lo up"
		echo "link set wan0 up"
		wan_k=0
		while [ "$wan_k" -lt "$3" ]; do
			wan_k=$((wan_k + 1))
			echo "addr add 10.$2.0.$wan_k/32 dev wan0"
			echo "addr add fd00:0:0:$2::$wan_k/128 dev wan0 nodad"
		done
		echo "route add 10.0.0.0/8 dev wan0 src 10.$2.0.1"
		echo "route add fd00::/16 dev wan0 src fd00:0:0:$2::1"
	} | ip -netns "$1" -force -batch - 2>/dev/null # no IPv6 here: then without
}

wan_set() {
	wan_where=$(wan_addr "$1")
	shift
	"$BUILDDIR/tests/support/wan/wan" -c "$TMPDIR/wan.ctl" set "$wan_where" "$@" >/dev/null
}

wan_rtt() {
	wan_set "$1" delay "$(($2 * 500))us"
}

wan_greet() {
	wan_k=0
	wan_count=${WAN_REGIONS#*"$1="}
	wan_count=${wan_count%% *}
	while [ "$wan_k" -lt "$wan_count" ]; do
		wan_k=$((wan_k + 1))
		ip netns exec "$1" "$BUILDDIR/tests/support/wan/greet" "$1-$wan_k" \
			"$(wan_addr "$1-$wan_k")" 7000 >"$TMPDIR/greet.$1-$wan_k" 2>&1 &
		echo $! >"$TMPDIR/greet.$1-$wan_k.pid"
	done
	while [ "$wan_k" -gt 0 ]; do
		wan_wait 5 grep -q ready "$TMPDIR/greet.$1-$wan_k" || {
			cat "$TMPDIR/greet.$1-$wan_k"
			return 1
		}
		wan_k=$((wan_k - 1))
	done
}

wan_listen() {
	wan_signal=USR2
	[ "$2" = on ] || wan_signal=USR1
	for wan_pid in "$TMPDIR/greet.$1.pid" "$TMPDIR/greet.$1-"*.pid; do
		[ ! -e "$wan_pid" ] || kill -"$wan_signal" "$(cat "$wan_pid")"
	done
}

wan_load() {
	wan_in client "$BUILDDIR/tests/support/wan/load" "$@" >"${WAN_REPORT:-$TMPDIR/report}"
	cat "${WAN_REPORT:-$TMPDIR/report}"
}

wan_value() {
	sed -n "s/^phase=$1 .* $2=\\([^ ]*\\).*/\\1/p" \
		"${WAN_REPORT:-$TMPDIR/report}"
}

wan_expect() {
	wan_seen=$(wan_value "$1" "$2")
	if [ "$3" = = ]; then
		[ "$wan_seen" = "$4" ] && return 0
	else
		awk -v a="$wan_seen" -v b="$4" "BEGIN { exit !(a ~ /[0-9]/ && a + 0 $3 b + 0) }" &&
			return 0
	fi
	echo "does not hold: in phase $1, $2 $3 $4 (it is ${wan_seen:-not there})"
	exit 1
}
