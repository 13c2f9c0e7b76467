#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 300
# A stock Linux with rdma_rxe and librdmacm against a board: rdma-core's rping as client of the board and the
# board as client of rping, bytes compared by both; every ICRC recomputed from a capture.
. "$(dirname "$0")/../board/lib.sh"
. "$(dirname "$0")/rdma.sh"

# run NAME MTU SIZE ROUNDS
run() {
	tap t0 "$2"
	netdev_args virtio t0 "$2" 1
	capture
	export LINUX_MTU=$2

	board "$WORK/board" "name=serve roce=serve roce.once=on fabric.ip=10.0.0.1 fabric.mtu=$2" \
		$NETDEV &
	server=$!
	PIDS="$PIDS $server"
	ip=${LINUX_IP:-10.0.0.3}
	rdma_linux "$WORK/linux" "rping -c -a 10.0.0.1 -C $4 -S $3 -V && echo serving && rping -s -a $ip -S $3" &
	linux=$!
	PIDS="$PIDS $linux"
	wait $server || fail "$1: the board as server"
	grep -q "after $4 rounds" "$WORK/board" || fail "$1: not all rounds"
	for _ in $(seq 300); do
		grep -q '^serving' "$WORK/linux" && break
		kill -0 $linux 2>/dev/null || fail "$1: rping as client"
		sleep 0.1
	done
	echo "$1, Linux is client: ok"

	for _ in $(seq 40); do # refused until it listens
		board "$WORK/board" "name=ping roce=ping roce.peer=$ip fabric.ip=10.0.0.1 \
			roce.n=$4 roce.size=$3 fabric.mtu=$2" $NETDEV && break
		grep -q 'connection: error -111' "$WORK/board" || fail "$1: the board as client"
		sleep 0.25
	done
	wait $linux || fail "$1: rping as server"
	echo "$1, Linux is server: $(sed -n 's/.*\(rounds=.*\)/\1/p' "$WORK/board" | tr -d '\r')"

	kill $capture
	wait $capture || fail "$1: a frame's ICRC"
	echo "$1: $(tail -1 "$WORK/icrc")"
	ip link del t0
}

bridge 9000
run "64 B, MTU 9000" 9000 64 100
run "65500 B, MTU 9000" 9000 65500 20
run "10007 B, MTU 1500" 1500 10007 20
echo ok
