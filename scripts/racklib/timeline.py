# SPDX-License-Identifier: GPL-2.0-only
"""The boards' traces on one time line, for Perfetto and for bench/path.

Every board counts nanoseconds from its own start. A packet of the fabric leaves one board (softroce-tx) and
arrives at another (softroce-rx) with the same queue pair and sequence number; of many packets each way the
fastest ones have all but no delay beyond the wire's, so half the difference between the two directions' least
times is what the clocks differ by, wrong by at most half the sum of both (clock_error).
"""
import json

from . import trace

RX, TX = 0x0a01, 0x0a02
QPN_PSN = 0xffffffff00ffffff  # the sender's word has the flag "acknowledge" above the sequence number


def packets(board_entries):
    """[(ns of tx, from, ns of rx, to, opcode, CPU of tx, of rx)] in each board's own time, of the packets seen once
    at both ends."""
    sent, received = {}, {}
    for board, entries in board_entries.items():
        for ns, event, cpu, _, a, b in entries:
            if event in (RX, TX):
                (received if event == RX else sent).setdefault((a & QPN_PSN, b), []).append((ns, board, cpu))
    for key, at in sent.items():
        to = received.get(key, ())
        if len(at) == len(to) == 1 and at[0][1] != to[0][1]:
            (tx, source, out), (rx, target, into) = at[0], to[0]
            yield tx, source, rx, target, key[1], out, into


def least(board_entries):
    """{(from, to): least ns from tx to rx, by two clocks}"""
    found = {}
    for sent, source, received, target, *_ in packets(board_entries):
        key = (source, target)
        found[key] = min(found.get(key, received - sent), received - sent)
    return found


def align(board_entries, base):
    """{board: (ns to add to its times, ns it may be wrong by)}, for those that base exchanged packets with,
    directly or by way of others."""
    delay, offsets, todo = least(board_entries), {base: (0, 0)}, [base]
    while todo:
        a = todo.pop(0)
        for b in board_entries:
            if b in offsets or (a, b) not in delay or (b, a) not in delay:
                continue
            there, back = delay[(a, b)], delay[(b, a)]
            offsets[b] = (offsets[a][0] - (there - back) // 2, offsets[a][1] + (there + back) // 2)
            todo.append(b)
    return offsets


def on_one_line(board_entries, base):
    """The same entries in base's time; boards that cannot be placed are left out."""
    offsets = align(board_entries, base)
    return {b: [(e[0] + offsets[b][0], *e[1:]) for e in entries]
            for b, entries in board_entries.items() if b in offsets}


def perfetto(lined):
    """Chrome's trace event JSON of boards on one time line: a process a board, a track a CPU, an instant an
    entry, an arrow a packet."""
    events, start = [], min((e[0] for es in lined.values() for e in es), default=0)
    pids = {b: i + 1 for i, b in enumerate(lined)}
    for board, entries in lined.items():
        events.append(dict(ph="M", name="process_name", pid=pids[board], args=dict(name=board)))
        events.extend(dict(ph="M", name="thread_name", pid=pids[board], tid=cpu, args=dict(name=f"CPU {cpu}"))
                      for cpu in sorted({e[2] for e in entries}))
        for ns, event, cpu, _, a, b in entries:
            name = trace.EVENTS.get(event, f"event {event:#x}")
            events.append(dict(ph="X", name=name, pid=pids[board], tid=cpu, ts=(ns - start) / 1000, dur=0.5,
                               args=dict(a=hex(a), b=hex(b))))
    for i, (sent, source, received, target, opcode, out, into) in enumerate(packets(lined)):
        for ph, ns, board, cpu in (("s", sent, source, out), ("f", received, target, into)):
            arrow = dict(ph=ph, id=i, name="packet", cat="fabric", pid=pids[board], tid=cpu,
                         ts=(ns - start) / 1000, args=dict(opcode=hex(opcode)))
            events.append(arrow | (dict(bp="e") if ph == "f" else {}))
    return json.dumps(dict(traceEvents=events, displayTimeUnit="ns"))
