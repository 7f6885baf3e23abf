# shellcheck shell=sh
# iaido on the WAN stage; to be sourced after stage.sh, inside the stage.
#
#     wan_iaido <CONFIGURATION   starts it in the client's namespace, waits until it listens, and
#                                shows its log should the script fail
#     wan_pool REGION...         prints the target lines of these regions, for use under `targets:`
#                                indented by ten
#     wan_json                   prints /statusz of diagAddr 127.0.0.1:5001
#     wan_backends               prints a line per backend: ADDRESS TIER LATENCY STATE ACTIVE TOTAL
#     wan_tier ADDRESS           prints one backend's tier; so for wan_state, wan_active
#     wan_settled REGION...      whether these regions are ranked in this order, each on one tier

IAIDO=${IAIDO:-$BUILDDIR/iaido}

command -v curl >/dev/null || wan_skip "curl is missing"

wan_on_exit() {
	wan_status=$?
	if [ "$wan_status" -ne 0 ] && [ "$wan_status" -ne 77 ] && [ -e "$TMPDIR/iaido.log" ]; then
		sed 's/^/  iaido: /' "$TMPDIR/iaido.log"
		wan_backends || :
	fi
	exit "$wan_status"
}
trap wan_on_exit EXIT

wan_iaido() {
	cat >"$TMPDIR/iaido.yaml"
	: >"$TMPDIR/iaido.log"
	wan_in client "$IAIDO" -c "$TMPDIR/iaido.yaml" >>"$TMPDIR/iaido.log" 2>&1 &
	wan_wait 10 grep -q 'listening on' "$TMPDIR/iaido.log"
}

wan_pool() {
	for wan_region in "$@"; do
		wan_k=0
		wan_count=${WAN_REGIONS#*"$wan_region="}
		wan_count=${wan_count%% *}
		while [ "$wan_k" -lt "$wan_count" ]; do
			wan_k=$((wan_k + 1))
			echo "          - {hosts: [$(wan_addr "$wan_region-$wan_k")], port: 7000}"
		done
	done
}

wan_json() {
	wan_in client curl -s --max-time 5 'http://127.0.0.1:5001/statusz?format=json'
}

wan_backends() {
	wan_json | sed 's/[,{}]/\n/g' | sed 's/"//g; s/: */ /' | awk '
		$1 == "address" { address = $2; sub(/:7000$/, "", address) }
		$1 == "tier" { tier = $2 }
		$1 == "latency" { latency = $2 }
		$1 == "state" { state = $2 }
		$1 == "active" { active = $2 }
		$1 == "total" && address != "" {
			print address, tier, latency, state, active, $2
			address = ""
		}'
}

wan_column() { # ADDRESS COLUMN
	wan_backends | awk -v address="$1" -v column="$2" '$1 == address { print $column }'
}

wan_tier() {
	wan_column "$1" 2
}

wan_state() {
	wan_column "$1" 4
}

wan_active() {
	wan_column "$1" 5
}

wan_settled() {
	wan_order=
	for wan_region in "$@"; do
		wan_order="$wan_order $(wan_number "$wan_region")"
	done
	wan_backends | awk -v order="$wan_order" '
		{ split($1, part, "."); tiers[part[2]] = tiers[part[2]] " " $2 }
		END {
			n = split(order, region, " ")
			for (i = 1; i <= n; i++) {
				count = split(tiers[region[i]], tier, " ")
				for (j = 1; j <= count; j++)
					if (tier[j] != i - 1)
						exit 1
				if (count == 0)
					exit 1
			}
		}'
}
