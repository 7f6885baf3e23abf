#!/bin/sh
# Diagnostics of a running iaido: diag.py says what is tried.
command -v python3 >/dev/null || {
	echo "skipped: python3 is missing"
	exit 77
}
exec python3 "$SRCDIR/tests/integration/diag.py" "$IAIDO" "$SRCDIR"
