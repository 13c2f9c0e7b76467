#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 240
# RDMA SEND, READ and WRITE between two boards by rping's protocol, every byte compared, on both network
# drivers and at several MTUs; each frame's ICRC is recomputed from a capture. Prints round trips and rates.
# ROCE_N: rounds of the small size. ROCE_CAPTURE=off: without the capture, which costs time.
# ROCE_ONLY: a pattern that picks of the runs at the end.
. "$(dirname "$0")/lib.sh"
N=${ROCE_N:-2000}

bridge 9000
tap t0 9000
tap t1 9000

# pair NAME NIC ROUNDS SIZE [MTU]
pair() {
	netdev_args "$2" t0 9000 1
	common="e1000e.mtu=9000 roce.mtu=${5:-4096} fabric.dev=${2}0"
	capture=
	if [ "$ROCE_CAPTURE" != off ]; then
		capture
	fi
	board "$WORK/serve" "name=serve roce=serve roce.once=on fabric.ip=10.0.0.1 $common" $NETDEV &
	server=$!
	PIDS="$PIDS $server"
	netdev_args "$2" t1 9000 2
	board "$WORK/ping" "name=ping roce=ping roce.peer=10.0.0.1 fabric.ip=10.0.0.2 roce.n=$3 \
		roce.size=$4 $common" $NETDEV || fail "$1: the client"
	wait $server || fail "$1: the server"
	if [ "$capture" ]; then
		kill $capture
		wait $capture || fail "$1: a frame's ICRC"
	fi
	grep -q 'rounds=' "$WORK/ping" || fail "$1: no result"
	echo "$1: $(sed -n 's/.*\(rounds=.*\)/\1/p' "$WORK/ping" | tr -d '\r')" \
		"retransmits=$(sed -n 's/.*rping: retransmits=//p' "$WORK/ping" | tr -d '\r')" \
		"${capture:+"($(tail -1 "$WORK/icrc"))"}"
}

runs='pair "virtio, 64 B" virtio $N 64
pair "virtio, 4 KiB" virtio 1000 4096
pair "virtio, 64 KiB" virtio 300 65536
pair "virtio, 1 MiB" virtio 30 1048576
pair "virtio, 10007 B, path MTU 1024" virtio 300 10007 1024
pair "e1000e, 64 KiB" e1000e 300 65536'
eval "$(echo "$runs" | grep -- "${ROCE_ONLY:-.}")"
echo ok
