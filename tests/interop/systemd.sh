#!/usr/bin/env bash
# A systemd of its own, in namespaces, with what `make install` installs: the unit starts, reloads,
# is upgraded in place and stops as a unit should; no client is refused or cut; its sandbox holds.
# shellcheck source=tests/interop/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

skip() {
	echo "SKIP: $*"
	exit 77
}

[ "$(id -u)" -eq 0 ] || skip "systemd.sh: a systemd of our own wants root"
unshare --mount --pid --fork --net --ipc --uts --cgroup true 2>/dev/null ||
	skip "systemd.sh: no namespaces for us"
# Every mount of ours goes with this process.
if [ "${SYSTEMD_STAGE-}" != inside ]; then
	SYSTEMD_STAGE=inside exec unshare --mount -- "$0" "$@"
fi
unset SYSTEMD_STAGE

# shellcheck disable=SC2086 # a list of words on purpose
install_packages $BUILD_PACKAGES systemd
build_in build-systemd --prefix=/usr --sysconfdir=/etc --localstatedir=/var \
	--with-systemdsystemunitdir >/dev/null || die "the build failed"
: "${IAIDO:=$top/build-systemd/iaido}"
interop_start python3 procps
root=$dir/root
cgroups=$dir/cgroups
cgroup=$cgroups/iaido-systemd.$$

# ---- a machine ----

mount_root() {
	mkdir "$dir/layer" "$root" "$cgroups"
	mount -t tmpfs tmpfs "$dir/layer" || skip "systemd.sh: no mounts for us"
	mkdir "$dir/layer/upper" "$dir/layer/work"
	mount -t overlay -o "lowerdir=/,upperdir=$dir/layer/upper,workdir=$dir/layer/work" \
		overlay "$root" || skip "systemd.sh: no overlay over /"
	mount -t cgroup2 cgroup2 "$cgroups" || skip "systemd.sh: no control groups"
	mkdir "$cgroup" || skip "systemd.sh: no control group for us"
}

# Of the machine's own services none: the targets that every service wants are empty.
install_units() {
	local target

	rm -rf "$root/etc/systemd/system"
	mkdir -p "$root/etc/systemd/system"
	for target in sysinit basic sockets; do
		printf '[Unit]\nDescription=%s\n' "$target" \
			>"$root/etc/systemd/system/$target.target"
	done
	cat >"$root/etc/systemd/system/stage.target" <<-UNIT
		[Unit]
		Description=The stage
		Wants=systemd-journald.socket systemd-journald.service
		AllowIsolate=yes
	UNIT
	printf '%032x\n' 1 >"$root/etc/machine-id"
	rm -f "$root/etc/resolv.conf"
	echo "nameserver 127.0.0.1" >"$root/etc/resolv.conf"
}

install_iaido() {
	make -C "$top/build-systemd" --no-print-directory install "DESTDIR=$root" \
		>"$dir/install.log" 2>&1 || fail "make install"
	install -m 755 "$dir/iaido" "$root/usr/bin/iaido"
}

# Run as PID 1's parent, in new namespaces.
# shellcheck disable=SC2317 # by unshare
boot() {
	local node

	cd "$root" || exit
	ip link set lo up
	mount -t proc proc proc
	mount --bind proc/sys proc/sys
	mount -o remount,bind,ro proc/sys
	mount -t sysfs -o ro sysfs sys
	mount -t cgroup2 cgroup2 sys/fs/cgroup
	mount -t tmpfs -o mode=755 tmpfs dev
	for node in null:3 zero:5 full:7 random:8 urandom:9; do
		mknod -m 666 "dev/${node%:*}" c 1 "${node#*:}"
	done
	mknod -m 666 dev/tty c 5 0
	mkdir dev/shm dev/pts
	mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
	ln -s pts/ptmx dev/ptmx
	mount -t tmpfs -o mode=755 tmpfs run
	mount -t tmpfs -o mode=1777 tmpfs tmp
	mkdir old
	pivot_root . old
	exec env -i container=iaido PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		setpriv --bounding-set=-sys_time,-sys_module,-sys_boot,-sys_rawio -- \
		/bin/sh -c 'umount -l /old; exec /lib/systemd/systemd --unit=stage.target' \
		</dev/null
}

on_machine() {
	nsenter --target "$pid1" --mount --uts --ipc --net --pid --cgroup --root --wd -- "$@"
}

on_network() {
	nsenter --target "$pid1" --net -- "$@"
}

# shellcheck disable=SC2317 # by the trap
last_words() {
	on_machine journalctl -q --no-pager --lines=50
	on_machine systemctl --no-pager status iaido
	on_machine tail -n 20 /var/log/iaido/iaido.log
}

# shellcheck disable=SC2317 # by the trap
power_off() {
	local status=$? tries=100

	if [ -n "${machine-}" ]; then
		[ "$status" -eq 0 ] || last_words >"$dir/machine.log" 2>&1
		kill -KILL "$machine" 2>/dev/null
		wait "$machine" 2>/dev/null
	fi
	# A group is free when its last process has been reaped.
	until [ ! -d "$cgroup" ] || find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || break
		sleep 0.05
	done
	umount "$cgroups" "$root" "$dir/layer" 2>/dev/null
	return "$status"
}

power_on() {
	# Used by boot, in a shell of its own.
	export root
	export -f boot
	# Out of here before the control group's name space begins there.
	(
		echo 0 >"$cgroup/cgroup.procs" || exit
		exec unshare --pid --fork --kill-child=KILL --mount --net --ipc --uts --cgroup -- \
			bash -c boot
	) >"$dir/machine.log" 2>&1 &
	machine=$!
	wait_until 10 find_pid1 || skip "systemd.sh: no systemd here: $(tail -n 1 "$dir/machine.log")"
	wait_until 30 is_up || fail "systemd does not come up"
}

find_pid1() {
	pid1=$(pgrep -P "$machine" -x systemd)
}

is_up() {
	on_machine systemctl is-active --quiet stage.target 2>"$dir/up.log"
}

# ---- what is put before and behind iaido ----

# talk NAME ARGUMENT...: echo.py in the background; sets $started.
talk() {
	local name=$1

	shift
	nsenter --target "$pid1" --net -- python3 -u "$top/tests/interop/lib/echo.py" "$@" \
		>"$dir/$name.log" 2>&1 &
	started=$!
	cleanup_pids+=("$started")
}

# done_talking PID NAME: all its answers came, some did.
done_talking() {
	kill "$1"
	wait "$1" || fail "$2: $(tail -n 1 "$dir/$2.log")"
	echo "$2: $(tail -n 1 "$dir/$2.log"), none refused, none cut"
}

# A connection that lasts until it is told to end; sets $started.
hold() {
	talk "$1" hold 443
	wait_until 10 grep -q held "$dir/$1.log" || fail "nothing is served"
}

listening() {
	on_network ss -Hltn "sport = :$1" | grep -q .
}

# configure PORT...: frontends on these. Who runs it may not read more than others may.
configure() {
	local port

	{
		cat <<-YAML
			diagAddr: unix:/run/iaido/diag.sock
			pidFile: /run/iaido/iaido.pid
			gracePeriod: 3s
			workers: 2
			log: {target: /var/log/iaido/iaido.log}
			frontends:
		YAML
		for port; do
			cat <<-YAML
				  - bindAddress: 127.0.0.1:$port
				    backendPool: {tiers: [{targets: [{hosts: [backend.example], port: 7000}]}]}
			YAML
		done
	} >"$root/etc/iaido.yaml"
}

# ---- the unit ----

property() {
	on_machine systemctl show --value --property "$1" iaido
}

is() {
	[ "$(property "$1")" = "$2" ]
}

is_active_as() {
	is ActiveState active && is MainPID "$1"
}

# logged EVENT COUNT: so often at least.
logged() {
	[ "$(on_machine grep -c "event=$1" /var/log/iaido/iaido.log)" -ge "$2" ]
}

# notified STATE COUNT: by sd_notify(3), so often at least.
notified() {
	[ "$(on_machine journalctl -q --no-pager _PID=1 | grep -c "Got notification.*$1")" -ge "$2" ]
}

status() {
	on_machine /usr/bin/iaido -c /etc/iaido.yaml --status >"$dir/status.log" 2>&1
}

workers() {
	on_machine pgrep -P "$main" -x iaido-worker
}

trap 'power_off; interop_end' EXIT
mount_root
install_units
install_iaido
power_on
on_machine systemctl log-level debug # what it is told stands in its log then
talk dns dns backend.example 127.0.0.1
talk backend serve 7000
wait_until 10 listening 7000 || fail "no backend"

configure 443
sed -i 's/^workers:.*/workers: none/' "$root/etc/iaido.yaml"
! on_machine systemctl start iaido >"$dir/start.log" 2>&1 || fail "started with a faulty file"
on_machine systemctl stop iaido
configure 443
on_machine systemctl start iaido || fail "systemctl start"
listening 443 || fail "started, and does not listen"
main=$(property MainPID)
is_active_as "$main" || fail "started, and not active"
notified READY=1 1 || fail "no READY"
[ "$(on_machine cat /run/iaido/iaido.pid)" = "$main" ] || fail "the pid file has another number"
wait_until 10 status || fail "--status: $(cat "$dir/status.log")"
echo "start: active, ready, serves a name's backend on port 443"

# What holds for each process of it, in the words of proc(5).
[ "$(workers | wc -l)" -eq 2 ] || fail "not two workers"
for pid in "$main" $(workers); do
	facts=$(on_machine cat "/proc/$pid/status")
	for fact in 'NoNewPrivs:\s1' 'Seccomp:\s2' 'CapBnd:\s0000000000000400'; do
		grep -q "$fact" <<<"$facts" || fail "process $pid has no $fact"
	done
	! grep -q 'Uid:.*\s0\s' <<<"$facts" || fail "process $pid is root's"
	! on_machine nsenter --target "$pid" --mount touch /etc/file /usr/file /var/file 2>"$dir/touch.log" ||
		fail "process $pid can write to /"
	! on_machine nsenter --target "$pid" --mount test -r /dev/mem || fail "/dev/mem is there"
done
for pid in $(workers); do
	on_machine grep -q 'CapEff:\s0000000000000000' "/proc/$pid/status" || fail "a worker has capabilities"
	[ "$(on_machine cat "/proc/$pid/oom_score_adj")" -gt \
		"$(on_machine cat "/proc/$main/oom_score_adj")" ] || fail "no worker goes before the master"
done
echo "sandbox: applied to the master and its workers"

hold held
held=$started
talk load load 443
load=$started

configure 443 444
on_machine systemctl reload iaido || fail "systemctl reload"
wait_until 10 logged reload.done 1 || fail "not reloaded"
wait_until 10 notified READY=1 2 || fail "no READY after a reload"
notified RELOADING=1 1 || fail "no RELOADING"
wait_until 10 is_active_as "$main" || fail "reloaded, and not active"
listening 444 || fail "the new frontend does not listen"
echo "reload: told before and after"

echo "nonsense: 1" >>"$root/etc/iaido.yaml"
! on_machine systemctl reload iaido >"$dir/reload.log" 2>&1 || fail "reloaded a faulty file"
is_active_as "$main" || fail "not active after a faulty file"
talk taken serve 445
wait_until 10 listening 445 || fail "nobody has the port"
configure 443 444 445
on_machine systemctl reload iaido || fail "systemctl reload"
wait_until 10 logged reload.failed 1 || fail "reloaded, though the port was taken"
wait_until 10 is_active_as "$main" || fail "not active after a reload that was refused"
configure 443 444
echo "reload: of a faulty file it fails, of what cannot be had it is refused; active all the time"

printf '#!/bin/sh\necho no such luck >&2\nexit 3\n' >"$root/usr/bin/next"
chmod 755 "$root/usr/bin/next"
mv "$root/usr/bin/next" "$root/usr/bin/iaido"
on_machine systemctl kill --kill-who=main --signal=USR2 iaido
wait_until 20 logged upgrade.failed 1 || fail "no word of a program that is none"
is_active_as "$main" || fail "not active after an upgrade that was refused"
install -m 755 "$dir/iaido" "$root/usr/bin/next"
mv "$root/usr/bin/next" "$root/usr/bin/iaido"
for round in 1 2; do
	on_machine systemctl kill --kill-who=main --signal=USR2 iaido
	wait_until 30 logged upgrade.done "$round" || fail "no upgrade"
	wait_until 10 is_active_as "$main" || fail "upgraded, and not active as it was"
	[ "$(on_machine readlink "/proc/$main/exe")" = /usr/bin/iaido ] || fail "not the new program"
done
configure 443
on_machine systemctl reload iaido || fail "systemctl reload"
wait_until 10 logged reload.done 4 || fail "not reloaded after the upgrade"
wait_until 10 is_active_as "$main" || fail "reloaded, and not active"
! listening 444 || fail "the frontend that was removed listens"
done_talking "$held" held
done_talking "$load" load
echo "upgrade: a program that is none is refused; twice in place, active under the same MainPID"

on_machine kill -KILL "$(workers | head -n 1)"
wait_until 10 logged worker.died 1 || fail "no word of a killed worker"
wait_until 10 status || fail "the worker is not replaced"
is_active_as "$main" || fail "not active after a worker's death"

on_machine kill -KILL "$main"
another() {
	main=$(property MainPID)
	[ "$main" -ne 0 ] && [ "$main" != "$1" ] && is_active_as "$main" && status
}
wait_until 20 another "$main" || fail "not restarted after the master's death"
echo "killed: a worker is replaced, a master restarted"

hold last
begun=$SECONDS
on_machine systemctl stop iaido || fail "systemctl stop"
[ $((SECONDS - begun)) -ge 1 ] || fail "stopped without draining"
for fact in ActiveState=inactive Result=success ExecMainStatus=0; do
	is "${fact%=*}" "${fact#*=}" || fail "stopped, and ${fact%=*} is $(property "${fact%=*}")"
done
notified STOPPING=1 1 || fail "no STOPPING"
logged 'master.stopped.*closed=1' 1 || fail "the connection that was open is not counted"
! on_machine pgrep iaido || fail "somebody is left"
[ ! -e "$root/run/iaido" ] || fail "/run/iaido is left"
on_machine systemctl start iaido || fail "not started again"
wait_until 10 status || fail "--status: $(cat "$dir/status.log")"
echo "stop: drained, success"
