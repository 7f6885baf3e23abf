#!/bin/sh
# Every event that the source logs is told of in iaido(8).
status=0
events=$(cat "$SRCDIR"/src/*.c "$SRCDIR"/src/*/*.c | tr '\n' ' ' |
	grep -oE '(log_event|log_write|log_lines)\([^;]*;|\[BACKEND_[A-Z]+\] = "[a-z]+\.[a-z]+"' |
	grep -oE '"(fatal|[a-z]+\.[a-z]+)"' | tr -d '"' | sort -u)
[ "$(echo "$events" | wc -l)" -gt 40 ] || {
	echo "only these events were found:" "$events"
	exit 1
}
for event in $events; do
	grep -qE "^\.BR? (.*[ \"])?$event( .*)?\$" "$SRCDIR/man/iaido.8" || {
		echo "not in iaido(8): $event"
		status=1
	}
done
exit $status
