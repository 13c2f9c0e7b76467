#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 180
# The judges judged: rping between two stock Linux machines with rdma_rxe, captured. scripts/icrc-check.py must
# find every ICRC of Linux's right, and one flipped bit wrong; tshark must find no malformed frame.
. "$(dirname "$0")/../board/lib.sh"
. "$(dirname "$0")/rdma.sh"

bridge 9000
record "$WORK/.pcap"
LINUX_IP=10.0.0.4 rdma_linux "$WORK/server" "echo serving; rping -s -a 10.0.0.4 -S 20000" &
server=$!
PIDS="$PIDS $server"
rdma_linux "$WORK/client" "for i in \$(seq 60); do ping -c1 -W1 10.0.0.4 && break; done >/dev/null; sleep 4
	for i in 1 2 3; do rping -c -a 10.0.0.4 -C 20 -S 20000 -V && exit 0; sleep 2; done; exit 1" ||
	fail "rping between two Linux machines"
wait $server
recorded "$WORK/.pcap" || fail "no capture"

"$TOP/scripts/icrc-check.py" "$WORK/.pcap" >"$WORK/icrc" || fail "Linux's ICRCs are judged wrong"
echo "Linux to Linux: $(tail -1 "$WORK/icrc")"
# the last byte but eight of the file lies in the last frame's payload, ICRC or MAD
python3 - "$WORK/.pcap" "$WORK/.bad" <<'EOF'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[-9] ^= 1
open(sys.argv[2], "wb").write(data)
EOF
if "$TOP/scripts/icrc-check.py" "$WORK/.bad" >"$WORK/icrc"; then fail "a flipped bit is not found"; fi
echo "one bit flipped: $(tail -1 "$WORK/icrc")"
no_malformed "$WORK/.pcap" || fail "malformed frames between two Linux machines"
echo ok
