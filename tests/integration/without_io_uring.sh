#!/bin/sh
# Where io_uring is not to be had, as in most containers, a worker does the same: the tests of what it relays,
# once more, under a filter that keeps io_uring from them.
set -u
: "${IAIDO:?}" "${SRCDIR:?}" "${BUILDDIR:?}"

no_ring=$BUILDDIR/tests/support/noring/no_ring
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failed=0

# fail WHAT: with the last output
fail() {
	echo "FAIL: $*"
	cat "$dir/out"
	failed=1
}

"$no_ring" true >"$dir/out" 2>&1
case $? in
0) ;;
77)
	cat "$dir/out"
	exit 77
	;;
*)
	fail "the filter"
	exit 1
	;;
esac

for test in unit/test_batch unit/test_relay unit/test_relay_faults unit/test_worker integration/test_faults; do
	if "$no_ring" "$BUILDDIR/tests/$test" >"$dir/out" 2>&1; then
		echo "ok: $test"
	else
		fail "$test"
	fi
done

# This one says of itself that it could not run its half that wants io_uring: then the filter holds.
"$no_ring" "$BUILDDIR/tests/unit/test_transfer_sockets" >"$dir/out" 2>&1
[ $? -eq 77 ] || fail "unit/test_transfer_sockets is not skipped"
exit "$failed"
