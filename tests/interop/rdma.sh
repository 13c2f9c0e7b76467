# SPDX-License-Identifier: GPL-2.0-only
# A Linux VM with software RoCE (rdma_rxe) and rdma-core's programs, and captures that others judge. Source
# after tests/board/lib.sh. LINUX_IP=a.b.c.d, LINUX_MTU and LINUX_PROGRAMS (more files for /bin) may be set.

RDMA=$BUILD/rdma
for what in linux rdma; do
	[ -f "$BUILD/$what/stamp" ] || "$TOP/scripts/fetch" $what >/dev/null ||
		{ echo "packages of $what cannot be fetched"; exit 77; }
done

# need_tool NAME...: programs of `make linux-tools`, or the test is skipped
need_tool() {
	for tool in "$@"; do
		[ -x "$BUILD/host/$tool" ] || env -u BUILD make -s -C "$TOP" linux-tools >&2
		[ -x "$BUILD/host/$tool" ] || { echo "$tool cannot be built here"; exit 77; }
	done
}

# rdma_linux LOG COMMAND: runs a shell command in the VM, with rxe0 up on eth0
rdma_linux() {
	ip=${LINUX_IP:-10.0.0.3}
	mac=52:54:00:77:02:$(printf %02x "${ip##*.}")
	programs=
	for p in "$RDMA/usr/bin/rping" $LINUX_PROGRAMS; do programs="$programs --program $p"; done
	timeout -k 5 "${LINUX_TIMEOUT:-120}" "$TOP/scripts/linuxvm" $LINUXVM_OPTS --rdma $programs \
		--nic "virtio-net,ip=$ip/24,bridge=br0,mtu=${LINUX_MTU:-9000},mac=$mac" \
		-- sh -c "$2" >"$1" 2>&1
}

# record FILE: captures br0 until `recorded`
record() {
	command -v tcpdump >/dev/null || { echo "no tcpdump"; exit 77; }
	tcpdump -i br0 -B 65536 -U -Z root -w "$1" udp port 4791 2>"$WORK/tcpdump" &
	recorder=$!
	PIDS="$PIDS $recorder"
	for _ in $(seq 200); do
		grep -q 'listening on' "$WORK/tcpdump" && return
		sleep 0.05
	done
	fail "tcpdump does not begin"
}

recorded() {
	sleep 0.5
	kill $recorder
	wait $recorder
	grep -q ' 0 packets dropped by kernel\|^0 packets dropped by kernel' "$WORK/tcpdump" ||
		echo "note: tcpdump missed frames"
	[ -s "$1" ]
}

# no_malformed FILE: tshark's word, what guesses at the payload's meaning switched off
no_malformed() {
	command -v tshark >/dev/null || { echo "note: no tshark, frames are not dissected"; return; }
	off=
	for p in $(tshark -G heuristic-decodes 2>/dev/null |
		awk -F'\t' '$1 ~ /^infiniband\./ && $2 != "ethertype" { print $2 }' | sort -u); do
		off="$off --disable-protocol $p"
	done
	tshark -n $off -r "$1" -Y '_ws.malformed || _ws.unreassembled' 2>/dev/null >"$WORK/malformed"
	echo "tshark: $(wc -l <"$WORK/malformed") malformed of $(tshark -n -r "$1" 2>/dev/null | wc -l)"
	[ ! -s "$WORK/malformed" ]
}
