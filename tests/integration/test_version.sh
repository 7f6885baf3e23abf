#!/bin/sh
# -V prints the version on stdout and exits 0.
set -eu

out=$("$IAIDO" -V)
case $out in
"iaido "[0-9]*.[0-9]*) ;;
*)
	echo "iaido -V says: $out" >&2
	exit 1
	;;
esac
