# Turns the load program's phases, each with its proxy, into the table of `regions`.

function get(proxy, phase, key) {
	return (proxy, phase, key) in v ? v[proxy, phase, key] : "-"
}

function both(proxy, phase, a, b) {
	return (proxy, phase, a) in v ? get(proxy, phase, a) " / " get(proxy, phase, b) : "-"
}

# How long long sessions hung before they were ended; or that some never were.
function hung(proxy, n) {
	if (!((proxy, "hole", "hung") in v))
		return "-"
	n = get(proxy, "hole", "left")
	return n > 0 ? n " never" : get(proxy, "hole", "hung_worst")
}

function row(label, goal, kind, phase, a, b, i, cell) {
	printf "%-44s %-14s", label, goal
	for (i = 1; i <= count; i++) {
		if (kind == "hung")
			cell = hung(name[i])
		else if (b != "")
			cell = both(name[i], phase, a, b)
		else
			cell = get(name[i], phase, a)
		printf " %*s", length(name[i]) < 16 ? 16 : length(name[i]), cell
	}
	printf "\n"
}

{
	for (i = 3; i <= NF; i++) {
		at = index($i, "=")
		v[substr($1, 7), substr($2, 7), substr($i, 1, at - 1)] = substr($i, at + 1)
	}
}

END {
	count = split(proxies, name, " ")
	printf "%-44s %-14s", "", "goal"
	for (i = 1; i <= count; i++)
		printf " %16s", name[i]
	printf "\n"
	row("steady: share to near, %", "100", "", "steady", "home")
	row("  p50 / p99 to greeting, ms", "p99 3.0", "", "steady", "p50", "p99")
	row("near swallowed: clients / failed", "0", "", "hole", "new", "failed")
	row("  caught halfway (before the fault)", "", "", "hole", "astray")
	row("  p99 / worst wait, ms", "400 / 500", "", "hole", "p99", "worst")
	row("  p99 from 0.5 s on, ms", "70", "", "hole", "p99_later")
	row("  hung long sessions ended within, s", "7", "hung")
	row("near back: first / 90 % on near, s", "1 / 2", "", "back", "first_home", "ninety_home")
	row("  working sessions cut / in one second", "0, or 15 a s", "", "back", "cut", "cut_second")
	row("  hung sessions that went on instead", "", "", "back", "thawed")
	row("near refuses: clients / failed", "0", "", "refuse", "new", "failed")
	row("  p99 / worst wait, ms", "150", "", "refuse", "p99", "worst")
	row("  working sessions cut", "0", "", "refuse", "cut")
	row("one backend flapping: clients / failed", "0", "", "flap", "new", "failed")
	row("  broken after the greeting", "0", "", "flap", "broken")
	row("jitter on an edge: changes of rank in 15 s", "0", "", "jitter", "changes")
}
