# shellcheck shell=sh
# Names on the WAN stage; to be sourced after iaido.sh. The client's resolv.conf and hosts file are
# the test's own: what is written to them holds in all of the stage.
#
#     dns_system LINE...         what resolv.conf says from now on
#     dns_hosts LINE...          what the hosts file says, besides localhost
#     dns_name HOST              prints what /statusz says of it: ADDRESS[,ADDRESS...] ERROR (- is
#                                none)
#     dns_wait HOST ADDRESSES ERROR   until it says so (an asterisk in these matches anything)
#     dns_state ADDRESS          prints the state of the first backend with that address
#     dns_greeting PORT          prints who greets there
#     dns_logged COUNT WORD...   fails the script unless so many lines of the log have all words

mkdir -p "$TMPDIR/etc"
: >"$TMPDIR/etc/resolv.conf"
echo "127.0.0.1 localhost" >"$TMPDIR/etc/hosts"
for dns_file in resolv.conf hosts; do
	mount --bind "$TMPDIR/etc/$dns_file" "/etc/$dns_file" || wan_skip "no bind mounts"
done

dns_system() {
	printf '%s\n' "$@" >"$TMPDIR/etc/resolv.conf"
}

dns_hosts() {
	printf '%s\n' "127.0.0.1 localhost" "$@" >"$TMPDIR/etc/hosts"
}

dns_name() {
	wan_in client curl -s --max-time 5 http://127.0.0.1:5001/statusz | awk -v host="$1" '
		/^names:/ { names = 1 }
		!names { next }
		$1 == "-" && $2 == "host:" { at = ($3 == host) }
		at && $1 == "-" && $2 != "host:" { list = list (list ? "," : "") $2 }
		at && $1 == "lastError:" { sub(/^ *lastError: /, ""); error = $0 }
		END { gsub(/"/, "", list); gsub(/"/, "", error)
			print (list ? list : "-"), (error == "null" ? "-" : error) }'
}

dns_says() {
	dns_now=$(dns_name "$1")
	# shellcheck disable=SC2254 # patterns on purpose
	case $dns_now in
	$2\ $3) return 0 ;;
	esac
	return 1
}

dns_wait() {
	wan_wait 15 dns_says "$@" || {
		echo "does not hold: $1 has $2 ($3); it has $dns_now"
		exit 1
	}
}

dns_state() {
	wan_backends | awk -v address="$1" '$1 == address { print $4; exit }'
}

dns_state_is() {
	[ "$(dns_state "$1")" = "$2" ]
}

dns_greeting() {
	wan_in client timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$1 && head -n 1 <&3"
}

# dns_greets PORT GREETING: soon (a table is on its way to the workers), and then for good
dns_greets() {
	wan_wait 5 dns_is_greeting "$@"
	dns_is_greeting "$@"
}

dns_is_greeting() {
	[ "$(dns_greeting "$1")" = "$2" ]
}

dns_logged() {
	dns_lines=$(cat "$TMPDIR/iaido.log")
	dns_want=$1
	shift
	for dns_word; do
		dns_lines=$(printf '%s\n' "$dns_lines" | grep -F -e "$dns_word" || :)
	done
	[ "$(printf '%s' "$dns_lines" | grep -c .)" -eq "$dns_want" ] || {
		echo "does not hold: $dns_want lines of the log with: $*; there are"
		printf '%s\n' "$dns_lines"
		exit 1
	}
}
