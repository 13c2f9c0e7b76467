#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 200
# FIT and the membership between boards: joining, the round trip, keys that are refused, a board that dies, one that
# was held up and is told so, a manager that restarts, a name taken twice.
. "$(dirname "$0")/lib.sh"
N=${FIT_N:-500}
HB="heartbeat_ms=200"
COMMON="fabric.prefix=24 $HB"

bridge 9000
tap t0 9000
tap t1 9000
tap t2 9000

# start NAME IMAGE INDEX WORDS: in the background; sets PID
start() {
	netdev_args virtio "t$3" 9000 "$3"
	IMAGE=$2 board "$WORK/$1" "name=$1 fabric.ip=10.88.0.$(($3 + 1)) $COMMON $4" \
		-pidfile "$WORK/$1.pid" $NETDEV &
	PID=$!
	PIDS="$PIDS $PID"
}
manager() { start manager manager 0 ""; MANAGER=$PID; }
member() { start "$1" mcomponent "$2" "manager.ip=10.88.0.1 $3"; }

# said NAME WORDS [TIMES]: within 20 s the board's log has it
said() {
	for _ in $(seq 200); do
		[ "$(grep -c -- "$2" "$WORK/$1" 2>/dev/null)" -ge "${3:-1}" ] && return
		sleep 0.1
	done
	fail "$1 did not say '$2'"
}
# end NAME PID: its machine is switched off
end() {
	kill "$(cat "$WORK/$1.pid")"
	wait "$2"
}

manager
member m0 1 "fitping=manager fitping.n=$N fitping.keys=1 fitping.exit=1"
wait "$PID" || fail "round trips"
[ "$(grep -c "access of 10.88.0.2 refused" "$WORK/manager")" = 4 ] || fail "refusals are logged"
sed -n 's/.*\(fitping.*: n=.*\)/\1/p' "$WORK/m0" | tr -d '\r'
said manager "m0 (node 1) is dead"

member m0 1
said m0 "joined as node 1"
member x0 2
said m0 "x0 (mcomponent, node 2) is up"
said x0 "m0 (mcomponent, node 1) is up"
end x0 "$PID"
said m0 "x0 (mcomponent, node 2) is down"
echo "a board comes and dies"

end manager "$MANAGER"
manager
said m0 "joined as node 1" 2
said manager "m0 (mcomponent, node 1) is up"
echo "the manager restarts"

netdev_args virtio t2 9000 2
IMAGE=mcomponent board "$WORK/twin" "name=m0 fabric.ip=10.88.0.9 $COMMON manager.ip=10.88.0.1" $NETDEV
grep -q "another board of this rack has the name m0" "$WORK/twin" || fail "a name taken twice"
echo "a name taken twice"

kill -STOP "$(cat "$WORK/m0.pid")"
said manager "m0 (node 1) is dead"
kill -CONT "$(cat "$WORK/m0.pid")"
said m0 "was declared dead"
echo "a board that was held up stops"
echo ok
