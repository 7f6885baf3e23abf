# shellcheck shell=bash
# Completes iaido's options in bash.

_iaido() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} word option
	local -a options

	COMPREPLY=()
	# "--config=fi" comes as three words, of which "=" is one.
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = && $COMP_CWORD -ge 2 ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	case $prev in
	-c | --config | -p | --pidFile)
		compopt -o filenames 2>/dev/null
		while IFS= read -r word; do
			COMPREPLY+=("$word")
		done < <(compgen -f -- "$cur")
		return
		;;
	--reloadPeriod)
		options=(0 500ms 1s 10s 1m)
		;;
	--bootstrapAddr)
		options=(127.0.0.1 ::1 localhost)
		;;
	-b | --bootstrap)
		return
		;;
	*)
		options=(-c --config -t --test --check -b --bootstrap --bootstrapAddr -f --force
			-d --daemon -p --pidFile --reloadPeriod --status --watch --json
			-V --version -h --help)
		;;
	esac
	for option in "${options[@]}"; do
		[[ $option == "$cur"* ]] && COMPREPLY+=("$option")
	done
}

complete -F _iaido iaido
