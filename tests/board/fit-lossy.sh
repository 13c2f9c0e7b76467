#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 150
# FIT over a fabric that loses, doubles, delays and damages 2 % of the frames each: every call is answered,
# nobody is declared dead.
. "$(dirname "$0")/lib.sh"
ip link set lo up
python3 "$TOP/tests/board/lossy.py" "${FIT_SEED:-1}" "${FIT_FAULTS:-20}" 5000 5001 &
PIDS="$PIDS $!"

# udp PORT: a board's netdev at the hub
udp() {
	NETDEV="-netdev socket,id=n,udp=127.0.0.1:$(($1 + 1000)),localaddr=127.0.0.1:$1"
	NETDEV="$NETDEV -device virtio-net-pci,netdev=n,mac=52:54:00:88:01:$(($1 - 4990))"
	NETDEV="$NETDEV,romfile=,disable-legacy=on,host_mtu=4400"
}

udp 5000
board "$WORK/manager" "name=manager fabric.ip=10.88.0.1" $NETDEV &
PIDS="$PIDS $!"
udp 5001
IMAGE=mcomponent board "$WORK/m0" \
	"name=m0 fabric.ip=10.88.0.2 manager.ip=10.88.0.1 fitping=manager fitping.n=${FIT_N:-1000} \
	fitping.size=4096 fitping.exit=1" $NETDEV || fail "a call was not answered"
grep -q "is dead" "$WORK/manager" && fail "a lost frame is not a death"
sed -n 's/.*\(fitping.*: n=.*\)/\1/p' "$WORK/m0" | tr -d '\r'
echo ok
