# shellcheck shell=bash
# Shared by contrib/check, contrib/quickstart, .ci/run and tests/interop: installs what is missing
# on Debian and Ubuntu, and builds in a directory of its own. Wants $top, the source tree.

: "${top:?}"

# Used by those who source this.
# shellcheck disable=SC2034
BUILD_PACKAGES="autoconf automake make gcc libc6-dev pkg-config \
libevent-dev libyaml-dev libc-ares-dev check"
# shellcheck disable=SC2034
TEST_PACKAGES="curl iproute2 logrotate mount procps python3 strace unbound util-linux zsh"
# shellcheck disable=SC2034
LINT_PACKAGES="clang clang-format clang-tidy cppcheck shellcheck"

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

missing_packages() {
	local package

	for package; do
		case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
		*" installed") ;;
		*) printf '%s ' "$package" ;;
		esac
	done
}

# Runs a command as root: directly, or through sudo.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# install_packages PACKAGE...: installs those that are missing. A package's service is not started:
# while apt-get runs, policy-rc.d says no (unless the machine has a policy of its own).
install_packages() {
	local missing policy=/usr/sbin/policy-rc.d failed=0 ours=

	command -v dpkg-query >/dev/null 2>&1 ||
		die "this is not Debian or Ubuntu; install yourself what README.md lists"
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
		die "as root: apt-get install $missing"
	fi

	echo "installing: $missing"
	if [ ! -e "$policy" ]; then
		ours=1
		printf '#!/bin/sh\nexit 101\n' | as_root sh -c "cat >$policy && chmod 755 $policy"
	fi
	as_root apt-get -qq -o DPkg::Lock::Timeout=300 update </dev/null ||
		echo "apt-get update failed; going on with the package lists at hand" >&2
	# A list of words on purpose.
	# shellcheck disable=SC2086
	as_root env DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true \
		apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
		-o Dpkg::Use-Pty=0 install $missing </dev/null >/dev/null || failed=1
	[ -z "$ours" ] || as_root rm -f "$policy"
	[ "$failed" -eq 0 ] || die "could not install: $missing"
}

jobs_count() {
	nproc 2>/dev/null || echo 2
}

# build_in DIR [CONFIGURE ARGUMENT...]: configures there when that is not done yet, and builds.
build_in() {
	local dir=$top/$1

	shift
	[ -f "$top/configure" ] && [ "$top/configure" -nt "$top/configure.ac" ] &&
		[ -f "$top/Makefile.in" ] || (cd "$top" && autoreconf -fi) || return 1
	mkdir -p "$dir"
	if ! [ -f "$dir/Makefile" ] || [ "$(cat "$dir/.configured" 2>/dev/null)" != "$*" ]; then
		(cd "$dir" && "$top/configure" --quiet "$@" && printf '%s\n' "$*" >.configured) ||
			return 1
	fi
	make -C "$dir" --no-print-directory -j "$(jobs_count)"
}

# wait_until SECONDS COMMAND...: runs the command until it succeeds; fails when the time is over.
wait_until() {
	local deadline=$((SECONDS + $1))

	shift
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.05
	done
}
