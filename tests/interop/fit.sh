#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 150
# FIT between a stock Linux with rdma_rxe (fitctl, on libibverbs and librdmacm) and a board: calls, and transfers
# of 1 byte to 4 MiB both ways with checksums. Linux's counters show no error, every ICRC is right, tshark finds
# no malformed frame. Retries are Linux's or the board's patience on a host that is busy, so one run of six
# without any is asked for; errors may never be.
. "$(dirname "$0")/../board/lib.sh"
. "$(dirname "$0")/rdma.sh"
need_tool fitctl

COUNTERS=/sys/class/infiniband/rxe0/ports/1/hw_counters
RETRIES="completer_retry_err duplicate_request out_of_seq_request rcvd_seq_err"
ERRORS="retry_exceeded_err retry_rnr_exceeded_err send_err send_rnr_err rcvd_rnr_err"

bridge 9000
tap t0 9000
netdev_args virtio t0 9000 1
record "$WORK/.pcap"
board "$WORK/board" "name=manager fabric.ip=10.0.0.1 fabric.mtu=9000" $NETDEV &
PIDS="$PIDS $!"
LINUX_PROGRAMS="$BUILD/host/fitctl" rdma_linux "$WORK/linux" "export FIT_MANAGER=10.0.0.1
	sum() { n=0; for c in \$*; do n=\$((n + \$(cat $COUNTERS/\$c))); done; echo \$n; }
	fitctl -t 40 nodes || exit 1
	fitctl nodes | grep 'manager .* answers' || exit 1
	for run in 1 2 3 4 5 6; do
		before=\$(sum $RETRIES)
		fitctl -n 300 ping manager && fitctl check manager || exit 1
		after=\$(sum $RETRIES)
		echo run \$run: \$((after - before)) retries, \$(sum $ERRORS) errors
		[ \$(sum $ERRORS) = 0 ] || exit 1
		[ \$before = \$after ] && exit 0
	done
	exit 1" || fail "fitctl"
grep -E '^(ping|check|run) ' "$WORK/linux"
recorded "$WORK/.pcap" || fail "no capture"
"$TOP/scripts/icrc-check.py" "$WORK/.pcap" >"$WORK/icrc" || fail "a frame's ICRC"
tail -1 "$WORK/icrc"
no_malformed "$WORK/.pcap" || fail "malformed frames"
echo ok
