# SPDX-License-Identifier: GPL-2.0-only
"""Runs a suite of cases (abi.h) on Linux and on the rack, and compares case by case.

tests/abi/known lists differences that are known, a case and a reason a line: such a case is reported as
skipped, with the reason, and is counted as passed when it has come to agree.
"""
import difflib
import os
import re
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "rack"))
from lib import BUILD, RACK, TOP, rack  # noqa: E402,F401

HERE = os.path.dirname(os.path.abspath(__file__))
LINUXVM = os.path.join(TOP, "scripts", "linuxvm")
MARK = re.compile(r"^@@ (\S+?)(?:: (.*))?$")
DIFF_LINES = 14


class Case:
    def __init__(self):
        self.lines, self.end = [], None

    def text(self):
        return self.lines + [f"-> {self.end or 'nothing more was heard'}"]


def parse(output):
    """{name: Case} in the order of the run, and whether the run came to its end."""
    cases, now, complete = {}, None, False
    for line in output.split("\n"):
        line = line.rstrip("\r")
        m = MARK.match(line)
        if m and m.group(2) is None:
            now = cases[m.group(1)] = Case()
        elif m:
            cases.setdefault(m.group(1), Case()).end = m.group(2)
            now = None
        elif line.startswith("@@@ "):
            complete = True
        elif now is not None:
            now.lines.append(line)
    return cases, complete


def known():
    """{case, or SUITE/case: reason}"""
    table = {}
    with open(os.path.join(HERE, "known")) as f:
        for line in f:
            words = line.split(None, 1)
            if words and not words[0].startswith("#"):
                table[words[0]] = words[1].strip()
    return table


class Compared:
    """TAP of one comparison after another; ends the program with the status."""

    def __init__(self):
        self.n = self.failed = 0
        self.known = known()

    def line(self, ok, name, why=""):
        self.n += 1
        self.failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.n} - {name}{why}", flush=True)

    def check(self, name, ok, detail=""):
        self.line(ok, name)
        if not ok:
            for text in str(detail).split("\n")[-DIFF_LINES:]:
                print(f"# {text}", flush=True)

    def compare(self, label, linux, there):
        """One line a case of linux; label goes before its name."""
        for name, want in linux.items():
            got = there.get(name, Case())
            diff = list(difflib.unified_diff(want.text(), got.text(), "linux", "rack", lineterm="", n=1))
            reason = self.known.get(label + name) or self.known.get(name)
            if want.end != "exit 0":
                self.line(False, label + name, " (must pass on Linux)")
                diff = want.text()
            elif diff and reason:
                self.line(True, label + name, f" # SKIP known: {reason}")
            else:
                self.line(not diff, label + name, " (listed as known, agrees)" if reason else "")
            for text in diff[2:DIFF_LINES]:
                print(f"#   {text}", flush=True)

    def end(self):
        print(f"1..{self.n}", flush=True)
        sys.exit(1 if self.failed or not self.n else 0)


class Linux(threading.Thread):
    """A suite on a Linux VM, beside whatever else goes on. ABI_NATIVE=1: on this machine's own kernel."""

    def __init__(self, suite, names, before=(), options=(), shell="", timeout=100):
        super().__init__(daemon=True)
        binary = os.path.join(BUILD, "abi", f"abi-{suite}")
        self.timeout, self.output = timeout, ""
        if os.environ.get("ABI_NATIVE") and not before:
            self.command = [binary, *names]
        else:
            quoted = " ".join(f"'{n}'" for n in names)
            script = f"mount -t tmpfs tmpfs /tmp; chmod 1777 /tmp; {shell} abi-{suite} {quoted}"
            self.command = [*before, LINUXVM, "--cpus", "2", "--add", binary, *options, "--",
                            "sh", "-c", script]
        self.start()

    def run(self):
        try:
            r = subprocess.run(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, timeout=self.timeout)
            self.output = r.stdout.decode("utf-8", "replace")
        except subprocess.TimeoutExpired as e:
            self.output = (e.stdout or b"").decode("utf-8", "replace")

    def cases(self):
        self.join()
        cases, complete = parse(self.output)
        if not complete:
            print("# the run on Linux did not end:\n# " + self.output[-2000:].replace("\n", "\n# "))
        return cases, complete
