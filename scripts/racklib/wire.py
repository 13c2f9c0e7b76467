# SPDX-License-Identifier: GPL-2.0-only
"""Between `scripts/rack` and the rack's supervisor: frames on a unix socket.

A frame is a little-endian u32 length, one type byte, and the payload: JSON ('J') for requests,
replies and events, or raw bytes of a program's stdin ('I', empty at end of file), stdout ('O') and
stderr ('R'). A connection carries one request, which is its first frame.
"""
import asyncio
import json
import os
import socket
import struct

from . import RACKS, RackError

HEADER = struct.Struct("<IB")
JSON, STDIN, STDOUT, STDERR = b"JIOR"


def frame(type_, payload):
    return HEADER.pack(len(payload), type_) + payload


def json_frame(obj):
    return frame(JSON, json.dumps(obj).encode())


async def read_async(reader):
    """(type, payload), the payload of JSON decoded; None at the end."""
    try:
        length, type_ = HEADER.unpack(await reader.readexactly(HEADER.size))
        payload = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return type_, json.loads(payload) if type_ == JSON else payload


def state_dir(name):
    return os.path.join(RACKS, name)


class Connection:
    """A verb's blocking end."""

    def __init__(self, state):
        # a socket path has at most 107 bytes: reach the folder through its descriptor
        fd = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(f"/proc/self/fd/{fd}/rack.sock")
        finally:
            os.close(fd)

    def send(self, obj):
        self.sock.sendall(json_frame(obj))

    def send_raw(self, type_, payload):
        self.sock.sendall(frame(type_, payload))

    def exactly(self, n):
        data = bytearray()
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            if not part:
                return None
            data += part
        return bytes(data)

    def read(self):
        """(type, payload), or None when the supervisor has gone."""
        head = self.exactly(HEADER.size)
        if head is None:
            return None
        length, type_ = HEADER.unpack(head)
        payload = self.exactly(length)
        if payload is None:
            return None
        return type_, json.loads(payload) if type_ == JSON else payload

    def request(self, obj):
        """One request, one reply; an error in it is raised."""
        self.send(obj)
        got = self.read()
        if got is None:
            raise RackError("the rack's supervisor ended without an answer")
        if "error" in got[1]:
            raise RackError(got[1]["error"])
        return got[1]


def is_up(name):
    try:
        Connection(state_dir(name)).sock.close()
        return True
    except OSError:
        return False


def racks_up():
    if not os.path.isdir(RACKS):
        return []
    return sorted(n for n in os.listdir(RACKS) if is_up(n))
