#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 120
# Self-tests of the drivers on a board that has every device: two network cards on QEMU's user network and
# a console with a host that sends everything back. Once with one CPU, once with two and jumbo frames.
. "$(dirname "$0")/lib.sh"

# echo_host SOCKET: a host that sends back what it gets
echo_host() {
	python3 - "$1" <<-'EOF'
	import socket, sys, time
	s = socket.socket(socket.AF_UNIX)
	for _ in range(100):
	    try:
	        s.connect(sys.argv[1])
	        break
	    except OSError:
	        time.sleep(0.1)
	while data := s.recv(65536):
	    s.sendall(data)
	EOF
}

# run CPUS WORDS
run() {
	CPUS=$1
	rm -f "$WORK/chan"
	echo_host "$WORK/chan" 2>"$WORK/host" &
	PIDS="$PIDS $!"
	board "$WORK/log" "name=test selftest=pci,virtio,e1000e chan.echo=on $2" \
		-netdev user,id=n1 -device virtio-net-pci,netdev=n1,romfile= \
		-netdev user,id=n2 -device e1000e,netdev=n2,romfile= \
		-chardev socket,id=ctl,path="$WORK/chan",server=on,wait=off \
		-device virtio-serial-pci,max_ports=2 -device virtserialport,chardev=ctl,nr=1 ||
		fail "$1 CPU, $2"
	grep -a '^ok\|^not ok' "$WORK/log" | tr -d '\r'
}

run 1 "log=info"
run 2 "e1000e.mtu=9000"
