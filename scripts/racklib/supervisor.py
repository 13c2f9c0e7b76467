# SPDX-License-Identifier: GPL-2.0-only
"""The process that is a rack: holds its network namespace, its boards and its programs.

Started by `rack up` inside a fresh namespace with the state folder as working folder. It owns the
QEMU processes (they die with it), talks to every board over the control channel, and serves the
verbs on rack.sock. Single-threaded asyncio; one task reads each board's channel, one each verb.
When it ends, in whatever way, nothing of the rack remains but its logs.
"""
import asyncio
import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

from . import RackError, config, ctl, net, qemu, wire

BOOTING, UP, DEAD = "booting", "up", "dead"
REPLY_TIMEOUT = 10
PERF_TIMEOUT = 300
SHUTDOWN_TIMEOUT = 3
EARLY_FRAMES_MAX = 256  # frames kept of a program that is not known yet
EARLY_WAIT_MAX = 3000   # times 10 ms: how long its board waits when there are more


class Board:
    """A running board: its process and its channel."""

    def __init__(self, desc):
        self.desc, self.name = desc, desc.name
        self.state = BOOTING
        self.proc = None
        self.reader = self.writer = None
        self.ready = asyncio.Event()
        self.ready_text = ""
        self.node = None
        self.started_at = time.monotonic()
        self.boot_seconds = None
        self.status = None
        self.why = ""
        self.replies = {}  # stream -> future of a request
        self.trace = b""

    def log_tail(self, n=15):
        try:
            with open(f"logs/{self.name}.log", errors="replace") as f:
                return [line.rstrip() for line in f.readlines()[-n:]]
        except OSError:
            return []


class Program:
    """A program on the rack: where its frames go."""

    def __init__(self, argv, sink, log=None):
        self.argv, self.sink, self.log = argv, sink, log
        self.board, self.token, self.pid = None, None, None
        self.credit = 0
        self.credit_event = asyncio.Event()
        self.done = asyncio.Event()
        self.status = None
        self.error = None

    def finish(self, status=None, error=None):
        self.status, self.error = status, error
        self.done.set()
        self.credit_event.set()


class Supervisor:
    def __init__(self, cfg):
        self.cfg = cfg
        self.boards = {b.name: Board(b) for b in cfg.boards}
        self.events, self.watchers = [], set()
        self.stopping = asyncio.Event()
        self.up = False
        self.failed = None
        self.next_stream = 1
        self.programs = {}  # (board, token) -> Program
        self.early = {}     # (board, token) -> frames that came before STARTED did
        self.tasks = set()
        self.told = asyncio.Event()  # `rack up` has heard how it went
        self.down_done = asyncio.Event()

    # ---- events: what `rack up` prints ----------------------------------------------------
    def event(self, **e):
        self.events.append(e)
        print(json.dumps(e), flush=True)
        for q in self.watchers:
            q.put_nowait(e)

    def spawn_task(self, coro):
        t = asyncio.create_task(coro)
        self.tasks.add(t)
        t.add_done_callback(self.tasks.discard)
        return t

    # ---- boards ---------------------------------------------------------------------------
    async def start_board(self, b):
        args = qemu.board_args(self.cfg, b.desc)
        with open(f"logs/{b.name}.cmd", "w") as f:
            f.write(" ".join(args) + "\n")
        with open(f"logs/{b.name}.qemu", "wb") as err:
            # a board never outlives the rack
            b.proc = await asyncio.create_subprocess_exec(
                "setpriv", "--pdeathsig", "KILL", "--", *args, stdin=subprocess.DEVNULL,
                stdout=err, stderr=err)
        b.started_at = time.monotonic()
        self.spawn_task(self.watch_board(b))

    async def watch_board(self, b):
        """Waits for the board's end."""
        rc = await b.proc.wait()
        b.state, b.status = DEAD, rc
        if not self.stopping.is_set():
            b.why = self.end_of(b, rc)
            self.event(event="dead", board=b.name, text=b.why)
        for f in b.replies.values():
            if not f.done():
                f.set_exception(RackError(f"board {b.name} is dead: {b.why}"))
        for (name, _), p in list(self.programs.items()):
            if name == b.name:
                p.finish(error=f"board {b.name} died: {b.why}")
        b.ready.set()

    def end_of(self, b, rc):
        """How a machine ended, in words. isa-debug-exit: status v of the guest ends QEMU with 2v+1."""
        if not b.log_tail(1):
            return f"QEMU did not start it (status {rc})"
        if rc > 0 and rc & 1:
            return f"ended itself with status {rc >> 1}"
        return f"QEMU ended with status {rc}" if rc >= 0 else f"QEMU was killed by signal {-rc}"

    async def connect_board(self, b):
        """Opens the channel as soon as QEMU listens, and reads it until the board's end."""
        while b.state != DEAD:
            try:
                b.reader, b.writer = await asyncio.open_unix_connection(f"ctl-{b.name}.sock")
                break
            except OSError:
                await asyncio.sleep(0.05)
        else:
            return
        self.send(b, ctl.HELLO)
        try:
            while True:
                await self.board_frame(b, await ctl.read_frame(b.reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except ctl.FrameError as e:
            b.why = str(e)
            self.event(event="broken", board=b.name, text=str(e))
            b.proc.kill()

    def send(self, b, type_, stream=0, payload=b""):
        if b.writer is None or b.state == DEAD:
            raise RackError(f"board {b.name} is dead: {b.why}")
        b.writer.write(ctl.encode(type_, stream, payload))

    async def ask(self, b, type_, payload=b"", timeout=REPLY_TIMEOUT):
        """One request to a board, one reply."""
        stream, self.next_stream = self.next_stream, self.next_stream + 1
        future = b.replies[stream] = asyncio.get_running_loop().create_future()
        try:
            self.send(b, type_, stream, payload)
            return await asyncio.wait_for(future, timeout)
        except asyncio.TimeoutError:
            raise RackError(f"board {b.name} did not answer in {timeout} s") from None
        finally:
            b.replies.pop(stream, None)

    async def board_frame(self, b, f):
        if f.type == ctl.READY:
            if b.state == BOOTING:
                b.state, b.boot_seconds = UP, time.monotonic() - b.started_at
                b.ready_text = f.payload.decode("utf-8", "replace").strip()
                words = b.ready_text.split()
                b.node = words[2] if len(words) > 2 else None
                self.event(event="board-up", board=b.name, seconds=round(b.boot_seconds, 1))
                b.ready.set()
        elif f.type in (ctl.STDOUT, ctl.STDERR, ctl.STDIN_CREDIT, ctl.EXIT):
            await self.program_frame(b.name, f)
        elif f.type == ctl.TRACE_REPLY and f.payload:
            b.trace += f.payload  # an empty one ends it
        else:
            future = b.replies.get(f.stream)
            if future and not future.done():
                if f.type == ctl.STARTED:
                    self.adopt_program(future, f)
                future.set_result(f)

    # ---- programs -------------------------------------------------------------------------
    def adopt_program(self, future, f):
        """STARTED: from now on the token's frames belong to the program that asked."""
        board, token, pid = ctl.decode_started(f.payload)
        p = future.program
        p.board, p.token, p.pid = board, token, pid
        self.programs[(board, token)] = p
        if (board, token) in self.early:
            self.spawn_task(self.replay(board, token, p))

    async def replay(self, board, token, p):
        """Delivers what came before STARTED; frames that come meanwhile queue behind it."""
        frames = self.early[(board, token)]
        while frames:
            await self.deliver(p, frames[0])
            frames.pop(0)
        del self.early[(board, token)]

    async def program_frame(self, board, f):
        """A frame of a program. The manager's STARTED travels on another channel and may come later."""
        key = (board, f.stream)
        p = self.programs.get(key)
        if p is not None and key not in self.early:
            await self.deliver(p, f)
            return
        frames = self.early.setdefault(key, [])
        for _ in range(EARLY_WAIT_MAX):
            if len(frames) < EARLY_FRAMES_MAX:
                break
            await asyncio.sleep(0.01)
        else:
            raise ctl.FrameError(f"frames of program {f.stream}, which the manager did not start")
        if self.early.get(key) is frames:
            frames.append(f)
        else:
            await self.program_frame(board, f)

    async def deliver(self, p, f):
        if f.type == ctl.STDIN_CREDIT:
            p.credit += ctl.decode_u32(f.payload)
            p.credit_event.set()
        elif f.type == ctl.EXIT:
            del self.programs[(p.board, p.token)]
            p.finish(status=ctl.decode_u32(f.payload))
        elif p.log is not None:
            p.log.write(f.payload)
            p.log.flush()
        elif p.sink is not None:
            kind = wire.STDOUT if f.type == ctl.STDOUT else wire.STDERR
            try:
                p.sink.write(wire.frame(kind, f.payload))
                await p.sink.drain()
            except ConnectionError:
                p.sink = None

    async def start_program(self, req, sink):
        argv, where = req["argv"], req.get("on") or ""
        if where:
            b = self.boards[self.cfg.board(where).name]
            if b.desc.role != "pcomponent":
                raise RackError(f"board {where} is a {b.desc.role}: programs run on pcomponents")
            if b.state == DEAD:
                raise RackError(f"board {where} is dead: {b.why}")
        try:
            payload = ctl.encode_run(argv, req.get("env", []), where, req.get("data"),
                                     req.get("stdin", True), req.get("strace", False))
        except ValueError as e:
            raise RackError(f"{argv[0]}: {e}") from None
        manager = self.boards[self.cfg.manager.name]
        p = Program(argv, sink)
        stream, self.next_stream = self.next_stream, self.next_stream + 1
        future = asyncio.get_running_loop().create_future()
        future.program = p
        manager.replies[stream] = future
        try:
            self.send(manager, ctl.RUN, stream, payload)
            f = await asyncio.wait_for(future, 30)
        except asyncio.TimeoutError:
            raise RackError(f"{argv[0]}: the manager did not start it in 30 s") from None
        finally:
            manager.replies.pop(stream, None)
        if f.type == ctl.FAILED:
            errno, text = ctl.decode_failed(f.payload)
            text = text or os.strerror(errno)
            raise RackError(text if text.startswith(argv[0]) else f"{argv[0]}: {text}")
        return p

    async def feed_stdin(self, p, data):
        """Sends data within the program's credit."""
        b = self.boards[p.board]
        while data and not p.done.is_set():
            if p.credit <= 0:
                p.credit_event.clear()
                await p.credit_event.wait()
                continue
            part = data[:min(p.credit, ctl.PAYLOAD_MAX)]
            p.credit -= len(part)
            self.send(b, ctl.STDIN, p.token, part)
            await b.writer.drain()
            data = data[len(part):]

    async def run_input(self, p, reader, inputs):
        """What the verb sends while the program runs: signals at once, stdin through a queue."""
        while True:
            got = await wire.read_async(reader)
            if got is None:
                if not p.done.is_set():
                    self.signal_program(p, signal.SIGHUP)
                    p.sink = None
                return
            type_, payload = got
            if type_ == wire.STDIN:
                await inputs.put(payload)
            elif "signal" in payload:
                self.signal_program(p, payload["signal"])

    async def run_stdin(self, p, inputs):
        while not p.done.is_set():
            data = await inputs.get()
            if not data:
                self.send(self.boards[p.board], ctl.STDIN_EOF, p.token)
                return
            await self.feed_stdin(p, data)

    def signal_program(self, p, sig):
        try:
            self.send(self.boards[p.board], ctl.SIGNAL, p.token, ctl.encode_u32(sig))
        except RackError:
            pass

    async def verb_run(self, req, reader, writer):
        detach = req.get("detach", False)
        p = await self.start_program(req, None if detach else writer)
        if detach:
            log = f"logs/{p.board}-{p.token}.out"
            p.log = open(log, "ab")
            self.spawn_task(self.detached(p))
        writer.write(wire.json_frame({"started": p.board, "token": p.token, "pid": p.pid}))
        if detach:
            return
        inputs = asyncio.Queue(4)
        helpers = [asyncio.create_task(self.run_input(p, reader, inputs)),
                   asyncio.create_task(self.run_stdin(p, inputs))]
        await p.done.wait()
        for t in helpers:
            t.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        if p.error:
            raise RackError(f"{p.argv[0]}: {p.error}")
        writer.write(wire.json_frame({"exit": p.status}))

    async def detached(self, p):
        await p.done.wait()
        p.log.close()
        self.event(event="exit", board=p.board, token=p.token, status=p.status, text=p.error)

    # ---- the other verbs ------------------------------------------------------------------
    async def verb_watch(self, _req, reader, writer):
        q = asyncio.Queue()
        for e in self.events:
            q.put_nowait(e)
        self.watchers.add(q)
        try:
            while True:
                e = await q.get()
                writer.write(wire.json_frame(e))
                await writer.drain()
                if e["event"] in ("up", "failed"):
                    self.told.set()
                    return
        finally:
            self.watchers.discard(q)

    async def verb_status(self, _req, _reader, writer):
        rows = []
        for b in self.boards.values():
            d = b.desc
            rows.append({"board": b.name, "role": d.role, "state": b.state, "node": b.node,
                         "cpus": d.cpus, "memory": d.memory, "ip": d.ip, "eth": d.eth or None,
                         "pid": b.proc.pid if b.proc else None, "why": b.why,
                         "image": qemu.image_of(self.cfg, d),
                         "boot_seconds": b.boot_seconds and round(b.boot_seconds, 2)})
        writer.write(wire.json_frame({
            "name": self.cfg.name, "up": self.up, "config": self.cfg.path, "pid": os.getpid(),
            "net": self.cfg.net, "external": self.cfg.ethernet["host"],
            "links": net.link_names(self.cfg), "boards": rows,
            "programs": [{"board": p.board, "pid": p.pid, "token": p.token, "argv": p.argv}
                         for p in self.programs.values()]}))

    async def ask_all(self, type_, roles=config.ROLES):
        """Asks every living board of these roles; {board: text}, and what is wrong with the others."""
        live = [b for b in self.boards.values() if b.state == UP and b.desc.role in roles]
        got = await asyncio.gather(*(self.ask(b, type_) for b in live), return_exceptions=True)
        texts, errors = {}, {b.name: b.why for b in self.boards.values() if b.state == DEAD}
        for b, f in zip(live, got):
            if isinstance(f, ctl.Frame) and f.type != ctl.FAILED:
                texts[b.name] = f.payload.decode("utf-8", "replace")
            else:
                errors[b.name] = ctl.decode_failed(f.payload)[1] if isinstance(f, ctl.Frame) else str(f)
        return texts, errors

    async def verb_stats(self, _req, _reader, writer):
        texts, errors = await self.ask_all(ctl.STATS)
        boards = {}
        for name, text in texts.items():
            values = boards[name] = {}
            for line in text.split("\n"):
                key, _, value = line.strip().rpartition(" ")
                if key:
                    values[key] = int(value) if value.lstrip("-").isdigit() else value
        writer.write(wire.json_frame({"boards": boards, "errors": errors}))

    async def verb_trace(self, req, _reader, writer):
        b = self.boards[self.cfg.board(req["board"]).name]
        b.trace = b""
        await self.ask(b, ctl.TRACE)
        writer.write(wire.json_frame({"image": qemu.image_of(self.cfg, b.desc), "trace": b.trace.hex()}))
        b.trace = b""

    async def verb_ps(self, _req, _reader, writer):
        texts, errors = await self.ask_all(ctl.PS, ("pcomponent",))
        rows = []
        for name, text in texts.items():
            for line in text.split("\n"):
                words = line.split(None, 5)
                if len(words) >= 5 and words[0].isdigit():
                    rows.append({"board": name, "pid": int(words[0]), "ppid": words[1],
                                 "state": words[2], "token": words[3],
                                 "memory": ctl.decode_counts(words[4]),
                                 "command": words[5] if len(words) > 5 else ""})
        writer.write(wire.json_frame({"processes": rows, "errors": errors}))

    async def verb_kill(self, req, _reader, writer):
        b = self.boards[self.cfg.board(req["board"]).name]
        f = await self.ask(b, ctl.KILL, ctl.encode_kill(req["pid"], req["signal"]))
        errno = ctl.decode_failed(f.payload)[0] if f.type == ctl.FAILED else ctl.decode_u32(f.payload)
        if errno:
            raise RackError(f"kill {b.name}:{req['pid']}: {os.strerror(errno)}")
        writer.write(wire.json_frame({"done": True}))

    async def verb_perf(self, req, _reader, writer):
        """A board measures the fabric to another one."""
        b = self.boards[self.cfg.board(req["board"]).name]
        to = self.cfg.board(req["to"]).name
        f = await self.ask(b, ctl.PERF, ctl.encode_perf(to, req["op"], req["size"], req["depth"],
                                                        req["n"]), PERF_TIMEOUT)
        if f.type == ctl.FAILED:
            errno, text = ctl.decode_failed(f.payload)
            raise RackError(f"board {b.name}: {text} ({os.strerror(errno)})")
        writer.write(wire.json_frame(ctl.decode_perf(f.payload)))

    async def verb_crash(self, req, _reader, writer):
        """Ends a board's machine at once, as a power failure would (for tests of failures)."""
        b = self.boards[self.cfg.board(req["board"]).name]
        b.proc.kill()
        await b.proc.wait()
        writer.write(wire.json_frame({"done": True}))

    async def verb_boot(self, req, _reader, writer):
        """A board whose machine has ended, once more: a new incarnation, which joins the rack that runs."""
        name = self.cfg.board(req["board"]).name
        if self.boards[name].state != DEAD:
            raise RackError(f"board {name} is not dead")
        b = self.boards[name] = Board(self.boards[name].desc)
        await self.start_board(b)
        self.spawn_task(self.connect_board(b))
        try:
            await asyncio.wait_for(b.ready.wait(), self.cfg.timeout)
        except asyncio.TimeoutError:
            raise RackError(f"board {name} did not come up in {self.cfg.timeout} s") from None
        if b.state != UP:
            raise RackError(f"board {name}: {b.why}")
        writer.write(wire.json_frame({"done": True}))

    async def verb_down(self, _req, _reader, writer):
        self.stopping.set()
        await self.down_done.wait()
        writer.write(wire.json_frame({"done": True}))

    # ---- life -----------------------------------------------------------------------------
    async def serve(self, reader, writer):
        try:
            got = await wire.read_async(reader)
            if got is None:
                return
            req = got[1]
            try:
                await getattr(self, "verb_" + req["verb"])(req, reader, writer)
            except RackError as e:
                writer.write(wire.json_frame({"error": str(e)}))
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def boot(self):
        net.make_links(self.cfg)
        self.event(event="network")
        for b in self.boards.values():
            await self.start_board(b)
            self.spawn_task(self.connect_board(b))
        deadline = time.monotonic() + self.cfg.timeout
        for b in self.boards.values():
            try:
                await asyncio.wait_for(b.ready.wait(), max(0.1, deadline - time.monotonic()))
            except asyncio.TimeoutError:
                pass
            if b.state != UP:
                why = b.why or f"did not come up in {self.cfg.timeout} s"
                with open(f"logs/{b.name}.qemu", errors="replace") as f:
                    said = f.read().split("\n")[-4:]
                raise BoardFailed(f"board {b.name}: {why}",
                                  [x for x in said if x.strip()] + b.log_tail())
        self.up = True
        self.event(event="up")

    async def stop_boards(self):
        """Asks the boards to end, then sees to it."""
        for b in self.boards.values():
            if b.state == UP:
                try:
                    self.send(b, ctl.SHUTDOWN)
                except RackError:
                    pass
        live = [b.proc for b in self.boards.values() if b.proc]
        if self.up and live:
            await asyncio.wait([asyncio.create_task(p.wait()) for p in live],
                               timeout=SHUTDOWN_TIMEOUT)
        for p in live:
            if p.returncode is None:
                p.kill()
                await p.wait()

    async def main(self):
        loop = asyncio.get_running_loop()
        for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(s, self.stopping.set)
        server = await asyncio.start_unix_server(self.serve, "rack.sock", limit=1 << 20)
        boot = asyncio.create_task(self.boot())
        stop = asyncio.create_task(self.stopping.wait())
        await asyncio.wait([boot, stop], return_when=asyncio.FIRST_COMPLETED)
        if boot.done() and boot.exception():
            e = boot.exception()
            self.failed = str(e)
            self.event(event="failed", text=str(e), log=getattr(e, "log", []))
            try:
                await asyncio.wait_for(self.told.wait(), 2)
            except asyncio.TimeoutError:
                pass
            self.stopping.set()
        elif not boot.done():
            self.failed = "ended before it was up"
            self.event(event="failed", text=f"rack {self.cfg.name}: {self.failed}", log=[])
        boot.cancel()
        await asyncio.gather(boot, return_exceptions=True)
        await self.stopping.wait()
        await self.stop_boards()
        net.kill_namespace(os.getpid())
        server.close()
        self.down_done.set()
        await asyncio.sleep(0.1)  # the last replies leave
        return 1 if self.failed else 0


class BoardFailed(RackError):
    def __init__(self, text, log):
        super().__init__(text)
        self.log = log


def clean_state():
    """Sockets of an earlier life."""
    for entry in os.listdir("."):
        if entry.endswith(".sock"):
            os.unlink(entry)


def main():
    with open("up.json") as f:
        args = json.load(f)
    cfg = config.load(args["config"], args["sets"], args["name"])
    lock = open("lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print(f"rack {cfg.name} is already up", file=sys.stderr)
        return 1
    clean_state()
    # a board's exports may have many files open at once
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    shutil.rmtree("logs", ignore_errors=True)
    os.mkdir("logs")

    async def run():
        return await Supervisor(cfg).main()
    try:
        return asyncio.run(run())
    finally:
        clean_state()


if __name__ == "__main__":
    sys.exit(main())
