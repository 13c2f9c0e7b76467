#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Debian's own programs, unmodified, on pComponents (racks/debian.toml): shells and coreutils, python3, sqlite3,
nginx under wrk, redis, iperf3, curl. What can be is compared with the same command on this machine. Afterwards
every board holds what it held before."""
# timeout: 420
import json
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from lib import BUILD, Rack, Tap, rack
from udp import DNS_AT, Outside

P0, HOST = "192.168.79.10", "192.168.79.1"
ROOT = os.path.join(BUILD, "rack", os.environ["RACK"], "root")
MIB = 1 << 20
HELD = re.compile(r"slab\.(task|uthread|thread|rmap|p_\w+|m_page|m_vma|m_leaves|net_leg|\w*skel\w*)$")
BOARDS = ("p0", "p1", "m0", "n0")

SHELL = r"""
set -e -o pipefail
cd "$(mktemp -d)"
seq 1 20000 | sort -r | sed 's/7/x/g' | grep -c x
seq 1 5000 | awk '{s += $1 * $1} END {print s}'
for i in $(seq 1 40); do echo "line $i" > f$i; done
cat f* | sort -u | wc -lc; ls | wc -l; ls -1 | head -3 | tr '\n' ' '
tar cf - f* | gzip -n | gunzip | tar xOf - f7 f40
find . -name 'f1*' | sort | xargs md5sum | md5sum
cut -d: -f1 /etc/passwd | head -3; printf '%s\n' b a c | sort | paste -sd,
mkdir -p d/e; mv f1 d/e; ln -s d/e/f1 l; cat l; readlink -f l | sed 's,.*/,,'
(exit 3) || echo "status $?"; echo $((1 << 40)) $(printf '%x' 255)
diff f2 f3 || true; cmp f2 f2 && echo same; wc -c < /bin/bash > n; test -s n && echo bash is there
x=$(echo inner | (read y; echo "got $y")); echo "$x"; trap 'echo bye' EXIT;
"""
PYTHON = r"""
import collections, hashlib, json, os, sqlite3, struct, subprocess, tempfile, threading, zlib
print(json.dumps({"a": [1, 2.5, None], "b": "\u00e4"}, sort_keys=True))
db = sqlite3.connect(":memory:")
db.execute("create table t(a integer primary key, b text)")
db.executemany("insert into t(b) values(?)", [(str(i * i),) for i in range(1000)])
print(db.execute("select count(*), sum(length(b)) from t where a % 3 = 0").fetchall())
n = [0]; lock = threading.Lock()
def work():
    for _ in range(1000):
        with lock: n[0] += 1
ts = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in ts]; [t.join() for t in ts]; print(n)
print(subprocess.check_output(["sh", "-c", "cat; echo err >&2; exit 0"], input=b"through", stderr=subprocess.STDOUT))
p = subprocess.run(["sh", "-c", "kill -9 $$"]); print(p.returncode)
with tempfile.TemporaryDirectory() as d:
    f = os.path.join(d, "x"); open(f, "wb").write(zlib.compress(b"y" * 100000))
    print(len(zlib.decompress(open(f, "rb").read())), sorted(os.listdir(d)))
print(hashlib.sha256(b"abc").hexdigest()[:16], collections.Counter("mississippi").most_common(2))
r, w = os.pipe(); pid = os.fork()
if not pid: os.write(w, struct.pack("<I", 77)); os._exit(5)
print(struct.unpack("<I", os.read(r, 4)), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
ASYNCIO = r"""
import asyncio
async def echo(r, w):
    while d := await r.read(4096):
        w.write(d); await w.drain()
    w.close()
async def main():
    s = await asyncio.start_server(echo, None, 7777, backlog=1000)
    print("ready", flush=True)
    await s.serve_forever()
asyncio.run(main())
"""
CLIENTS = r"""
import asyncio, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
async def one(i):
    r, w = await asyncio.open_connection("%s", 7777)
    for k in range(int(sys.argv[1])):
        m = b"%%d-%%d|" %% (i, k) * 20
        w.write(m); assert await r.readexactly(len(m)) == m
    w.close(); await w.wait_closed(); return 1
async def main(): print(sum(await asyncio.gather(*[one(i) for i in range(500)])))
asyncio.run(main())
""" % P0


def here(argv):
    r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=60)
    return r.returncode, r.stdout.decode()


def same_as_here(t, r, name, *argv, on):
    want = here(list(argv))
    x = r.run(*argv, on=on, timeout=90)
    t.check(f"{name}: as on this machine", (x.rc, x.out) == want and want[0] == 0, (want, x))


def at_once(*parts):
    """What one of them waits for does not keep the others."""
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(p) for p in parts]:
            done.result()


def until(what, seconds=20):
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.3)


def stats():
    return json.loads(rack("stats", "--json").out or "{}")


def held(r):
    for board in ("p0", "p1"):
        r.run("sh", "-c", "sync; echo 3 >/proc/sys/vm/drop_caches", on=board)
    s = stats()
    return {f"{b}.{k}": v for b in BOARDS for k, v in s.get(b, {}).items() if HELD.match(k)}


def more_than(before, after):
    return {k: (before.get(k, 0), v) for k, v in after.items() if v > before.get(k, 0)}


def theirs(program, *argv):
    """A program of the rack's own packages, run by this machine on the external side."""
    libs = os.path.join(ROOT, "usr", "lib", "x86_64-linux-gnu")
    return ("env", f"LD_LIBRARY_PATH={libs}", os.path.join(ROOT, "usr", "bin", program), *argv)


BIG = 64 * MIB
WRK = ("-d1s", "--timeout", "20s", f"http://{P0}/")


def wrk(t, name, connections, x):
    """Several requests on each connection; none failed."""
    n = re.search(r"(\d+) requests in", x.out)
    t.check(f"nginx under wrk, {name}", x.rc == 0 and n and int(n[1]) > connections and
            "Socket errors" not in x.out and "Non-2xx" not in x.out, x)


def by_name(t, r):
    dns = Outside(DNS_AT % (P0, HOST))
    x = r.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{remote_ip}", "http://rack.test/", on="p1")
    t.check("curl by name", x.out == f"200 {P0}", x)
    dns.end()


def nginx(t, r):
    r.sh(f"head -c {BIG} /dev/urandom > /var/www/html/big", on="p1")
    pid = r.start("nginx", "-g", "daemon off;", on="p0", data="dma")
    until(lambda: r.client("curl", "-sf", f"http://{P0}/").rc == 0)
    want = r.sh("sha256sum < /var/www/html/big", on="p1").out.split()[:1]
    got = r.client("sh", "-c", f"curl -s http://{P0}/big | sha256sum").out.split()[:1]
    t.check(f"nginx: {BIG // MIB} MiB to the outside", want == got and want, (want, got))
    s = stats()
    fetched = sum(s.get(b, {}).get("mheld.fetched_bytes", 0) for b in BOARDS)
    t.check("nginx: they did not pass p0", fetched >= BIG - 65536, fetched)
    got = r.sh(f"curl -s http://{P0}/big | sha256sum", on="p1").out.split()[:1]
    t.check(f"nginx: {BIG // MIB} MiB to curl on p1", want == got, (want, got))
    x = r.client("sh", "-c", "for i in 1 2 3 4 5 6 7 8; do curl -s -o /dev/null -w '%{http_code} ' "
                 f"http://{P0}/ & done; wait; curl -s -o /dev/null -w %{{http_code}} http://{P0}/no")
    t.check("nginx: eight at once, and 404", x.out == "200 " * 8 + "404", x)
    accepted = stats()["p0"]["stub.accepts"]
    wrk(t, "from outside", 20, r.client(*theirs("wrk", "-t2", "-c20", *WRK)))
    accepted = stats()["p0"]["stub.accepts"] - accepted
    t.check("nginx: 20 connections served all of them", accepted in range(20, 31), accepted)
    wrk(t, "on p1", 10, r.run("wrk", "-t1", "-c10", *WRK, on="p1"))
    by_name(t, r)
    x = r.sh("pgrep -c nginx", on="p0")
    t.check("nginx: a master and two workers", x.out.strip() == "3", x)
    rack("kill", "-s", "QUIT", pid)
    until(lambda: r.sh("pgrep nginx", on="p0").rc != 0)
    t.check("nginx: ends when asked", r.sh("pgrep nginx", on="p0").rc != 0)
    r.sh("rm /var/www/html/big", on="p1")


def redis(t, r):
    pid = r.start("redis-server", "--protected-mode", "no", "--save", "", "--dir", "/var/lib/redis",
                  on="p0")
    cli = ("redis-cli", "-h", P0)
    until(lambda: r.run(*cli, "ping", on="p1").out == "PONG\n")
    x = r.run("redis-benchmark", "-h", P0, "-n", "4000", "-c", "20", "-P", "16", "-q", "-t",
              "set,get,lpush", on="p1", timeout=90)
    t.check("redis-benchmark -P 16", x.rc == 0 and x.out.count("requests per second") == 3, x)
    x = r.client("sh", "-c", f"printf 'SET k from-outside\\r\\nGET k\\r\\nQUIT\\r\\n' | nc {P0} 6379")
    t.check("redis: from outside", "from-outside" in x.out, x)
    r.run(*cli, "debug", "populate", "20000", on="p1")
    r.run(*cli, "bgsave", on="p1")
    until(lambda: "rdb_bgsave_in_progress:0" in r.run(*cli, "info", "persistence", on="p1").out)
    x = r.run(*cli, "info", "persistence", on="p1")
    t.check("redis: BGSAVE's fork has saved", "rdb_last_bgsave_status:ok" in x.out and
            "rdb_saves:1" in x.out.replace("\r", ""), x)
    x = r.run("redis-check-rdb", "/var/lib/redis/dump.rdb", on="p1")
    t.check("redis: and what it saved is right", x.rc == 0 and "RDB looks OK" in x.out, x)
    r.run(*cli, "shutdown", "nosave", on="p1")
    until(lambda: r.sh("pgrep redis", on="p0").rc != 0)
    t.check("redis: ends when asked", r.sh("pgrep redis", on="p0").rc != 0, pid)


def iperf3(t, r):
    pid = r.start("iperf3", "-s", on="p0")
    until(lambda: f":{5201:04X} " in r.sh("cat /proc/net/tcp", on="p0").out)
    for way in ((), ("-R",), ("-P", "8"), ("-u", "-b", "1M", "-P", "8")):
        x = r.client(*theirs("iperf3", "-c", P0, "-t", "1", "-J", *way))
        end = json.loads(x.out or "{}").get("end", {})
        total = end.get("sum_received") or end.get("sum") or {}
        t.check(f"iperf3 {' '.join(way)}", x.rc == 0 and total.get("bytes", 0) > 100000,
                (total, x))
    rack("kill", "-s", "KILL", pid)


def asyncio(t, r):
    pid = r.start("python3", "-c", ASYNCIO, on="p0")
    until(lambda: f":{7777:04X} " in r.sh("cat /proc/net/tcp", on="p0").out)
    x = r.client("python3", "-c", CLIENTS, "3")
    t.check("asyncio: 500 clients from outside", x.out == "500\n", x)
    x = r.run("python3", "-c", CLIENTS, "1", on="p1")
    t.check("asyncio: 500 clients on p1", x.out == "500\n", x)
    rack("kill", "-s", "KILL", pid)


def sqlite_begins(r):
    """A writer that says after each commit what it has committed; the rack is killed meanwhile."""
    r.run("sqlite3", "/root/t.db", "create table t(a integer primary key, b text)", on="p0")
    writer = subprocess.Popen([os.path.join(os.path.dirname(__file__), "..", "..", "scripts", "rack"),
                               "run", "--on", "p0", "--", "python3", "-uc",
                               "import sqlite3\nd = sqlite3.connect('/root/t.db')\ni = 0\n"
                               "while True:\n  d.executemany('insert into t(b) values(?)', [('x' * 500,)] * 20)\n"
                               "  d.commit(); i += 20; print(i)"], stdout=subprocess.PIPE)
    acknowledged = 0
    end = time.monotonic() + 20
    while acknowledged < 200 and time.monotonic() < end:
        acknowledged = int(writer.stdout.readline() or 0)
    for board in ("p0", "m0", "s0", "n0", "p1", "manager"):
        rack("crash", board)
    writer.stdout.close()
    writer.wait(30)
    return acknowledged


def sqlite_goes_on(t, r, acknowledged):
    x = r.run("sqlite3", "/root/t.db", "pragma integrity_check; select count(*) from t", on="p0")
    lines = x.out.split()
    t.check("sqlite3: the journal survives a killed rack", acknowledged >= 200 and
            lines[:1] == ["ok"] and int(lines[1]) % 20 == 0 and int(lines[1]) >= acknowledged,
            (acknowledged, x))


def main():
    t = Tap()
    with Rack("-c", "debian", "--set", f"nameserver={HOST}") as r:
        at_once(lambda: same_as_here(t, r, "bash and coreutils", "bash", "-c", SHELL, on="p0"),
                lambda: same_as_here(t, r, "python3", "python3", "-c", PYTHON, on="p1"))
        before = held(r)
        nginx(t, r)
        at_once(lambda: redis(t, r), lambda: (iperf3(t, r), asyncio(t, r)))
        more = {}
        until(lambda: more.clear() or more.update(more_than(before, held(r))) or not more, 30)
        t.check("every board holds what it held", before and not more, (more, stats().get("m0")))
        acknowledged = sqlite_begins(r)
    with Rack("-c", "debian") as r:
        sqlite_goes_on(t, r, acknowledged)
    t.end()


if __name__ == "__main__":
    main()
