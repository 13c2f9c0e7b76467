#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Stands in for QEMU and a monitor, so that scripts/rack is tested without any (RACK_QEMU).

Takes QEMU's command line, serves the board's control channel, and runs "programs" as processes of
this machine. A board whose command line has fake=silent never says READY; fake=exit ends at once.
"""
import asyncio
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
from racklib import ctl  # noqa: E402


class FakeBoard:
    def __init__(self, words):
        self.name, self.role = words["name"], words["role"]
        self.writer, self.procs, self.next_token = None, {}, 100

    def send(self, type_, stream=0, payload=b""):
        self.writer.write(ctl.encode(type_, stream, payload))

    async def serve(self, reader, writer):
        self.writer = writer
        try:
            while True:
                await self.frame(await ctl.read_frame(reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            os._exit(0)

    async def frame(self, f):
        if f.type == ctl.HELLO:
            self.send(ctl.READY, 0, f"{self.name} {self.role} 7".encode())
        elif f.type == ctl.RUN:
            await self.run(f)
        elif f.type == ctl.STDIN:
            self.procs[f.stream].stdin.write(f.payload)
            self.send(ctl.STDIN_CREDIT, f.stream, ctl.encode_u32(len(f.payload)))
        elif f.type == ctl.STDIN_EOF:
            self.procs[f.stream].stdin.close()
        elif f.type == ctl.SIGNAL:
            self.procs[f.stream].send_signal(ctl.decode_u32(f.payload))
        elif f.type == ctl.STATS:
            self.send(ctl.STATS_REPLY, f.stream, b"fake.answers 1\nfake.name " + self.name.encode())
        elif f.type == ctl.PS:
            lines = [f"{p.pid} 1 S {t} fake" for t, p in self.procs.items()]
            self.send(ctl.PS_REPLY, f.stream, "\n".join(lines).encode())
        elif f.type == ctl.KILL:
            self.send(ctl.DONE, f.stream, ctl.encode_u32(3))
        elif f.type == ctl.SHUTDOWN:
            os._exit(1)

    async def run(self, f):
        """The manager's part: passes the program to a pComponent's fake."""
        board, _data, _flags, argv, _env = ctl.decode_run(f.payload)
        board = board or "p0"
        if argv[0] == "nothing":
            self.send(ctl.FAILED, f.stream, ctl.encode_u32(2) + b"nothing: no such file")
            return
        self.next_token += 1
        reader, writer = await asyncio.open_unix_connection(f"fake-{board}.sock")
        writer.write(json.dumps({"token": self.next_token, "argv": argv}).encode() + b"\n")
        pid = int(await reader.readline())
        await asyncio.sleep(0.05)  # so that the program's first output comes before STARTED
        self.send(ctl.STARTED, f.stream, ctl.encode_started(board, self.next_token, pid))

    async def spawn(self, reader, writer):
        """The pComponent's part."""
        req = json.loads(await reader.readline())
        pipe = asyncio.subprocess.PIPE
        p = await asyncio.create_subprocess_exec(*req["argv"], stdin=pipe, stdout=pipe, stderr=pipe)
        self.procs[req["token"]] = p
        writer.write(f"{p.pid}\n".encode())
        token = req["token"]
        self.send(ctl.STDIN_CREDIT, token, ctl.encode_u32(8192))

        async def copy(stream, type_):
            while data := await stream.read(16384):
                self.send(type_, token, data)
                await self.writer.drain()
        await asyncio.gather(copy(p.stdout, ctl.STDOUT), copy(p.stderr, ctl.STDERR))
        rc = await p.wait()
        self.send(ctl.EXIT, token, ctl.encode_u32(-rc if rc < 0 else rc << 8))
        del self.procs[token]

    async def main(self, path):
        await asyncio.start_unix_server(self.spawn, f"fake-{self.name}.sock")
        await asyncio.start_unix_server(self.serve, path)
        await asyncio.Event().wait()


def main():
    line = " ".join(sys.argv)
    words = dict(w.partition("=")[::2] for w in sys.argv[sys.argv.index("-append") + 1].split())
    with open(f"logs/{words['name']}.log", "w") as f:
        f.write("fake board\nlast words of " + words["name"] + "\n")
    if words.get("fake") == "exit":
        sys.exit(3)
    board = FakeBoard(words)
    if words.get("fake") == "silent":
        board.frame = lambda f: asyncio.sleep(0)
    asyncio.run(board.main(re.search(r"path=(ctl-\S+?\.sock)", line).group(1)))


main()
