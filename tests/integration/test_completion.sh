#!/bin/sh
# The shells' completion knows the options that --help names, and no others.
set -u

failures=0
fail() {
	echo "FAILED: $*" >&2
	failures=$((failures + 1))
}

options=$("$IAIDO" --help | sed -n '/^  /s/^ *\(\(-[a-zA-Z], \)\{0,1\}--[a-zA-Z]*\).*/\1/p' |
	sed 's/, /\n/' | sort)
[ "$(echo "$options" | wc -l)" -ge 20 ] || fail "--help: $options"

# offer WORD...: what bash offers for the last of them.
offer() {
	bash -c '. "$SRCDIR/contrib/completion/iaido.bash"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_iaido
		printf "%s\n" "${COMPREPLY[@]}"' bash "$@" | sort
}

if command -v bash >/dev/null; then
	[ "$(offer iaido '')" = "$options" ] || fail "bash: $(offer iaido '')"
	[ "$(offer iaido --boot)" = "$(printf -- '--bootstrap\n--bootstrapAddr')" ] ||
		fail "bash --boot: $(offer iaido --boot)"
	[ "$(offer iaido --reloadPeriod = 5)" = 500ms ] || fail "bash --reloadPeriod=5"
	cd "$SRCDIR/etc" || exit 1
	[ "$(offer iaido -c iai)" = iaido.yaml ] || fail "bash -c: $(offer iaido -c iai)"
fi

for option in $options; do
	grep -qE -- "(^|[^-a-zA-Z])${option}([^-a-zA-Z]|\$)" "$SRCDIR/contrib/completion/_iaido" ||
		fail "zsh does not know $option"
done
if command -v zsh >/dev/null; then
	zsh -n "$SRCDIR/contrib/completion/_iaido" || fail "zsh cannot read its file"
fi

[ "$failures" -eq 0 ]
