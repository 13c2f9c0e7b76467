#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 240
# Raw frames of 60 to 9014 bytes between two boards and between a board and Linux, on both network drivers:
# every round trip comes back with its bytes. Prints the medians (the hop floor).
# ECHO_N: round trips; ECHO_SIZES: frame sizes; ECHO_ONLY: a pattern that picks of the runs at the end.
. "$(dirname "$0")/lib.sh"
N=${ECHO_N:-1000}
SIZES=${ECHO_SIZES:-60,61,128,1514,2048,4096,8191,9014}

bridge 9000
tap t0 9000
tap t1 9000

# pair NAME SERVER_NIC PINGER_NIC [WINDOW]: two boards
pair() {
	netdev_args "$2" t0 9000 1
	board "$WORK/serve" "name=serve echo=serve echo.once=on e1000e.mtu=9000" $NETDEV &
	server=$!
	PIDS="$PIDS $server"
	netdev_args "$3" t1 9000 2
	line="name=ping echo=ping echo.n=$N echo.sizes=$SIZES echo.window=${4:-1} e1000e.mtu=9000"
	board "$WORK/ping" "$line" $NETDEV || fail "$1: the pinging board"
	wait $server || fail "$1: the serving board"
	report "$1" "$WORK/ping"
}

# native_ping NAME NIC: Linux measures a board
native_ping() {
	netdev_args "$2" t0 9000 1
	board "$WORK/serve" "name=serve echo=serve echo.once=on e1000e.mtu=9000" $NETDEV &
	server=$!
	PIDS="$PIDS $server"
	timeout 100 "$TOP/scripts/echo-peer.py" ping --if br0 -n "$N" --sizes "$SIZES" >"$WORK/ping" 2>&1 ||
		fail "$1: echo-peer"
	wait $server || fail "$1: the serving board"
	report "$1" "$WORK/ping"
}

# native_serve NAME NIC: a board measures Linux
native_serve() {
	timeout 100 "$TOP/scripts/echo-peer.py" serve --if br0 --once >"$WORK/serve" 2>&1 &
	server=$!
	PIDS="$PIDS $server"
	netdev_args "$2" t1 9000 2
	board "$WORK/ping" "name=ping echo=ping echo.n=$N echo.sizes=$SIZES e1000e.mtu=9000" $NETDEV ||
		fail "$1: the pinging board"
	wait $server || fail "$1: echo-peer"
	report "$1" "$WORK/ping"
}

report() {
	lines=$(grep -c 'echo: size=.*median_ns=' "$2")
	want=$(($(echo "$SIZES" | tr -cd , | wc -c) + 1))
	[ "$lines" = "$want" ] || fail "$1: $lines sizes measured, not $want"
	! grep 'sent again' "$2" || fail "$1: a frame or an interrupt was lost"
	sed -n "s/.*\(echo: size=.*median_ns=.*\)/$1: \1/p" "$2" | tr -d '\r'
}

runs='pair "virtio to virtio" virtio virtio
pair "e1000e to e1000e" e1000e e1000e
pair "virtio to virtio, many at once" virtio virtio 100
pair "e1000e to e1000e, many at once" e1000e e1000e 100
native_ping "Linux to virtio" virtio
native_ping "Linux to e1000e" e1000e
native_serve "virtio to Linux" virtio'
eval "$(echo "$runs" | grep -- "${ECHO_ONLY:-.}")"
echo ok
