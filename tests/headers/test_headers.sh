#!/bin/sh
# Compiles every public header alone, twice included: it brings what it needs and has a guard.
set -u

failed=0
for header in $HEADERS; do
	name=${header#include/}
	# The command is a list of words on purpose.
	# shellcheck disable=SC2086
	if ! printf '#include "config.h"\n#include "%s"\n#include "%s"\n' "$name" "$name" |
		$HEADER_COMPILE -Werror -fsyntax-only -x c -; then
		echo "$name does not compile alone" >&2
		failed=1
	fi
done
exit $failed
