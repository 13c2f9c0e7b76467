# SPDX-License-Identifier: GPL-2.0-only
# Boards on a bridge in a network namespace of their own, for the scripts beside this file.
# Source it first: it runs the script again inside the namespace. Nothing outlives the script.

TOP=${TOP:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILD=${BUILD:-$TOP/build}
case $BUILD in /*) ;; *) BUILD=$TOP/$BUILD ;; esac

if [ -z "$IN_TEST_NETNS" ]; then
	export IN_TEST_NETNS=1
	[ -w /dev/net/tun ] || { echo "no access to /dev/net/tun"; exit 77; }
	if [ "$(id -u)" = 0 ]; then exec unshare -n "$0" "$@"; fi
	exec unshare -rn "$0" "$@"
fi

WORK=$(mktemp -d)
PIDS=
finish() {
	for p in $PIDS; do kill "$p" 2>/dev/null; done
	wait 2>/dev/null
	rm -rf "$WORK"
}
trap finish EXIT
trap 'exit 1' INT TERM

# bridge MTU: br0, up
bridge() {
	ip link set lo up
	ip link add br0 type bridge mcast_snooping 0
	ip link set br0 mtu "$1" addrgenmode none up
}

# tap NAME MTU: a tap with vnet_hdr on br0
tap() {
	ip tuntap add dev "$1" mode tap vnet_hdr
	ip link set "$1" mtu "$2" addrgenmode none master br0 up
}

# netdev_args NIC TAP MTU INDEX: sets NETDEV. VIRTIO_OPTS: more of the device's options, ",name=value".
netdev_args() {
	NETDEV="-netdev tap,id=n$4,ifname=$2,script=no,downscript=no,vnet_hdr=on"
	mac=52:54:00:88:00:$(printf %02x "$4")
	case $1 in
	virtio) NETDEV="$NETDEV -device virtio-net-pci,netdev=n$4,mac=$mac,host_mtu=$3"
		NETDEV="$NETDEV,romfile=,disable-legacy=on$VIRTIO_OPTS" ;;
	e1000e) NETDEV="$NETDEV -device e1000e,netdev=n$4,mac=$mac,romfile=" ;;
	esac
}

# board LOG COMMANDLINE ARGS...: runs a board to its end; status 0 when it left with 0. It also ends
# with the shell that runs it: finish() knows only that one's pid.
board() {
	log=$1 line=$2
	shift 2
	setpriv --pdeathsig KILL timeout -k 5 "${BOARD_TIMEOUT:-100}" \
		setpriv --pdeathsig KILL qemu-system-x86_64 -nodefaults -no-user-config \
		-display none -no-reboot \
		-M q35 -accel tcg,thread=multi -cpu max -smp "${CPUS:-1}" -m 256M \
		-kernel "$BUILD/${IMAGE:-manager}.elf" -append "$line" -serial "file:$log" \
		-device isa-debug-exit,iobase=0xf4,iosize=4 \
		-device virtio-rng-pci,disable-legacy=on "$@"
	[ $? = 1 ]
}

# capture: recomputes the ICRC of each frame on t0 until `kill $capture`; its words go to $WORK/icrc
capture() {
	: >"$WORK/icrc"
	"$TOP/scripts/icrc-check.py" --live t0 >"$WORK/icrc" 2>&1 &
	capture=$!
	PIDS="$PIDS $capture"
	for _ in $(seq 200); do
		grep -q capturing "$WORK/icrc" && return
		sleep 0.05
	done
	fail "the capture does not begin"
}

# fail WORDS: says so, shows the logs
fail() {
	echo "FAIL: $*"
	for f in "$WORK"/*; do
		[ -f "$f" ] || continue
		echo "--- $(basename "$f")"
		tail -30 "$f"
	done
	exit 1
}
