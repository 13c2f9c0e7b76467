# SPDX-License-Identifier: GPL-2.0-only
"""A board's control channel, host side: the frames of include/proto/ctl.h, and nothing else.

Framing is strict: a frame with a wrong magic or length means that the board's end is broken, and
the channel is given up (FrameError) rather than searched for the next frame.
"""
import struct
from dataclasses import dataclass

MAGIC = 0x4c544352
HEADER = struct.Struct("<IHHQI")
PAYLOAD_MAX = 65536

HELLO, RUN, STDIN, STDIN_EOF, SIGNAL, STATS, PS, SHUTDOWN, KILL, TRACE, PERF = range(1, 12)
(READY, STARTED, FAILED, STDOUT, STDERR, STDIN_CREDIT, EXIT, STATS_REPLY, PS_REPLY, DONE,
 TRACE_REPLY, PERF_REPLY) = range(65, 77)

DATA_MODES = {None: 0, "ddio": 1, "dma": 2, "auto": 3}
PERF_OPS = ("echo", "call", "write", "read")
SPAWN_STDIN = 1
SPAWN_STRACE = 2
ARGS_MAX = 3072


class FrameError(Exception):
    pass


@dataclass
class Frame:
    type: int
    stream: int
    payload: bytes


def encode(type_, stream=0, payload=b""):
    return HEADER.pack(MAGIC, type_, 0, stream, len(payload)) + payload


def decode_header(data):
    """(type, stream, length) of a frame's header."""
    magic, type_, _flags, stream, length = HEADER.unpack(data)
    if magic != MAGIC:
        raise FrameError(f"bad magic {magic:#010x} on the control channel")
    if length > PAYLOAD_MAX:
        raise FrameError(f"frame of {length} bytes on the control channel")
    return type_, stream, length


async def read_frame(reader):
    type_, stream, length = decode_header(await reader.readexactly(HEADER.size))
    return Frame(type_, stream, await reader.readexactly(length) if length else b"")


# What a process has cost in memory, and its misses by how long they took (us).
MEMORY_COUNTS = ("faults", "misses", "zero_fills", "copies", "cached", "le_64", "le_128", "le_256", "le_512",
                 "le_1024", "le_4096", "le_16384", "more")


def decode_counts(text):
    return dict(zip(MEMORY_COUNTS, (int(n) for n in text.split(","))))


def encode_run(argv, env, board="", data=None, stdin=True, strace=False):
    """Payload of RUN; ValueError when the strings are too long."""
    args = b"".join(a.encode("utf-8", "surrogateescape") + b"\0" for a in [*argv, *env])
    if len(args) > ARGS_MAX:
        raise ValueError(f"arguments and environment take {len(args)} bytes, at most {ARGS_MAX}")
    return struct.pack("<16sBBHHH", board.encode(), DATA_MODES[data],
                       (SPAWN_STDIN if stdin else 0) | (SPAWN_STRACE if strace else 0),
                       len(argv), len(env), 0) + args


def decode_run(payload):
    """The inverse of encode_run(), for boards that are made of Python."""
    board, data, flags, argc, envc, _ = struct.unpack_from("<16sBBHHH", payload)
    args = [a.decode() for a in payload[24:].split(b"\0")[:-1]]
    return board.rstrip(b"\0").decode(), data, flags, args[:argc], args[argc:argc + envc]


def encode_started(board, token, pid):
    return struct.pack("<16sQI", board.encode(), token, pid)


def decode_started(payload):
    """(board, token, pid)"""
    board, token, pid = struct.unpack_from("<16sQI", payload)
    return board.rstrip(b"\0").decode("ascii", "replace"), token, pid


def decode_failed(payload):
    """(errno, text)"""
    return struct.unpack_from("<I", payload)[0], payload[4:].decode("utf-8", "replace").strip("\0\n ")


def encode_u32(value):
    return struct.pack("<I", value)


def decode_u32(payload):
    return struct.unpack_from("<I", payload)[0]


def encode_perf(board, op, size, depth, n):
    return struct.pack("<16sIIII", board.encode(), PERF_OPS.index(op), size, depth, n)


def decode_perf(payload):
    """{"n": .., "median_ns": .., ..}"""
    return {k: int(v) for k, v in (w.split("=") for w in payload.decode().split())}


def encode_kill(pid, sig):
    return struct.pack("<II", pid, sig)
