#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 120
# A whole rack without root: networks in a user namespace, files in a folder of the user's own. Run by root it
# becomes nobody; /dev/net/tun is opened to everybody in a mount namespace, as Debian's udev does.
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
RACK=${RACK:-t-manual}
if [ "$(id -u)" = 0 ] && [ -z "$AS_NOBODY" ]; then
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	cp "$BUILD"/*.elf "$BUILD/ramfs.cpio" "$work" || exit 1
	mknod -m 666 "$work/tun" c 10 200 || { echo "no device nodes can be made here"; exit 77; }
	chown nobody "$work"
	setpriv --reuid=65534 --regid=65534 --clear-groups cat scripts/rack >/dev/null ||
		{ echo "this tree cannot be read by nobody"; exit 77; }
	export PYTHONDONTWRITEBYTECODE=1 AS_NOBODY=1 HOME=/ BUILD=$work RACK
	unshare -m sh -c 'mount --bind "$BUILD/tun" /dev/net/tun &&
		exec setpriv --reuid=65534 --regid=65534 --clear-groups "$0"' "$PWD/tests/rack/unprivileged.sh"
	exit $?
fi
unshare -rn true 2>/dev/null || { echo "no user namespaces here"; exit 77; }
trap 'scripts/rack down' EXIT
fail() { echo "FAIL: $*"; exit 1; }
scripts/rack up || fail "the rack does not come up"
out=$(scripts/rack run --on p0 -- sh -c 'echo $((6 * 7))') || fail "run: status $?"
[ "$out" = 42 ] || fail "run: $out"
scripts/rack run --detach --on p0 -- busybox httpd -f -p 80 -h /www || fail "httpd"
for _ in 1 2 3 4 5 6 7 8 9 10; do
	scripts/rack client -- curl -sf -o /dev/null http://192.168.77.10/ && page=1 && break
	sleep 0.5
done
[ -n "$page" ] || fail "no page"
scripts/rack client -- ip link show eth | grep -q eth || fail "no external side"
scripts/rack stats >/dev/null || fail "stats"
echo "a rack of uid $(id -u) serves"
