#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 120
# The network board's stack alone (e1000e, lwIP; no rack): Linux pings it, sends and fetches bytes over TCP, compares them,
# and sees its own kernel's view of resets and closed ports. STACK_MB: megabytes each way; STACK_OPTS: more words.
. "$(dirname "$0")/lib.sh"
MB=${STACK_MB:-16}

bridge 1500
tap t0 1500
ip addr add 192.168.77.1/24 dev br0
netdev_args e1000e t0 1500 1
IMAGE=ncomponent BOARD_TIMEOUT=90 board "$WORK/board" \
	"name=n0 standalone eth.ip=192.168.77.10/24 tcp.time_wait_ms=1000 $STACK_OPTS" $NETDEV &
PIDS="$PIDS $!"
for _ in $(seq 100); do
	grep -aq "are served" "$WORK/board" 2>/dev/null && break
	sleep 0.1
done
python3 - "$MB" >"$WORK/tcp" 2>&1 <<'PY' || fail "TCP"
import hashlib, os, socket, struct, sys, threading, time
MB = int(sys.argv[1])
ADDR = "192.168.77.10"

# ICMP echo, small and in fragments
def ping(size, seq):
    msg = struct.pack("!BBHHH", 8, 0, 0, 77, seq) + os.urandom(size)
    even = msg + b"\0" * (len(msg) % 2)
    total = sum(struct.unpack(f"!{len(even) // 2}H", even))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    msg = msg[:2] + struct.pack("!H", ~total & 0xffff) + msg[4:]
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
        s.settimeout(2)
        start = time.perf_counter()
        s.sendto(msg, (ADDR, 0))
        while True:
            r = s.recv(65536)[20:]
            if r[0] == 0 and r[4:8] == msg[4:8]:
                assert r[8:] == msg[8:], "ping: bytes differ"
                return (time.perf_counter() - start) * 1e6
times = sorted(ping(56, i) for i in range(50))
print(f"ping: median {times[25]:.0f} us, best {times[0]:.0f} us; 8000 bytes: {ping(8000, 99):.0f} us")

def connect(port):
    s = socket.create_connection((ADDR, port), timeout=20)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s

def rate(what, n, t):
    print(f"{what}: {n * 8 / t / 1e6:.0f} Mbit/s")

# echo: what comes back is what was sent
data = os.urandom(MB << 20)
s = connect(7)
def feed():
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
t = threading.Thread(target=feed)
start = time.time()
t.start()
got = hashlib.sha256()
n = 0
while True:
    b = s.recv(1 << 18)
    if not b:
        break
    got.update(b)
    n += len(b)
t.join()
assert n == len(data), f"echo: {n} of {len(data)} bytes"
assert got.digest() == hashlib.sha256(data).digest(), "echo: bytes differ"
rate("echo", n, time.time() - start)
s.close()

# one direction each
s = connect(9)
start = time.time()
s.sendall(data)
s.shutdown(socket.SHUT_WR)
assert s.recv(1) == b""
rate("discard", len(data), time.time() - start)
s.close()
s = connect(19)
start = time.time()
n = 0
while n < MB << 20:
    b = s.recv(1 << 18)
    assert b and not b.strip(b"\0")
    n += len(b)
rate("stream", n, time.time() - start)
s.close()

# ping-pong
s = connect(7)
lat = []
for i in range(2000):
    m = os.urandom(128)
    start = time.perf_counter()
    s.sendall(m)
    b = b""
    while len(b) < 128:
        b += s.recv(128)
    lat.append(time.perf_counter() - start)
    assert b == m
lat.sort()
print(f"128 bytes there and back: median {lat[1000] * 1e6:.0f} us, best {lat[0] * 1e6:.0f} us")
s.close()

# many short connections, closed by either side; a closed port
start = time.time()
for i in range(300):
    s = connect(7)
    s.sendall(b"x")
    assert s.recv(1) == b"x"
    if i % 2:
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b""
    s.close()
print(f"connections: {300 / (time.time() - start):.0f} a second")
try:
    connect(80)
    raise AssertionError("port 80 is open")
except ConnectionRefusedError:
    pass
PY
cat "$WORK/tcp"
grep -aq "panic" "$WORK/board" && fail "panic"
echo ok
