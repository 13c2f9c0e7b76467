# SPDX-License-Identifier: GPL-2.0-only
"""Debian's archive through apt, with a configuration, lists and cache of its own.

The machine's apt configuration stays as it is and no root is needed. What is downloaded lies in $RACK_CACHE
when that is set, else in build/dl; apt verifies it against the archive's signature.
"""
import fcntl
import glob
import os
import re
import subprocess
from contextlib import contextmanager

from . import BUILD

CACHE = os.path.abspath(os.environ.get("RACK_CACHE") or os.path.join(BUILD, "dl"))
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SUITE = "bookworm"


class FetchError(Exception):
    pass


def run(cmd, **kw):
    """Runs a command quietly; its output becomes the error's text when it fails."""
    r = subprocess.run(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, **kw)
    if r.returncode:
        raise FetchError(f"{' '.join(cmd[:1] + cmd[-2:])} failed:\n{r.stdout.strip()}")
    return r.stdout


def host_mirrors():
    """(URI, suite) of every deb line the machine has, in both of apt's formats."""
    for path in ["/etc/apt/sources.list"] + sorted(glob.glob("/etc/apt/sources.list.d/*")):
        if not os.path.isfile(path):
            continue
        with open(path, errors="replace") as f:
            text = f.read()
        if path.endswith(".sources"):
            for part in re.split(r"\n\s*\n", text):
                part = "\n".join(x for x in part.split("\n") if not x.startswith("#"))
                uris = re.search(r"^URIs:(.*)$", part, re.M | re.I)
                suites = re.search(r"^Suites:(.*)$", part, re.M | re.I)
                for u in uris.group(1).split() if uris else []:
                    for s in suites.group(1).split() if suites else []:
                        yield u, s
        else:
            for m in re.finditer(r"^\s*deb\s+(?:\[[^]]*\]\s*)?(\S+)\s+(\S+)", text, re.M):
                yield m.group(1), m.group(2)


def pick_mirrors():
    """The machine's own mirrors of Debian's archive and of its security archive."""
    main, security = "http://deb.debian.org/debian", "http://deb.debian.org/debian-security"
    for uri, suite in reversed(list(host_mirrors())):
        uri = uri.rstrip("/")
        if uri.endswith("/debian-security"):
            security = uri
        elif uri.endswith("/debian"):
            main = uri
    return main, security


class Apt:
    """apt-get with its whole state in one folder of ours."""

    def __init__(self, root):
        self.root = root
        for d in ("etc", "state/lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(root, d), exist_ok=True)
        main, security = pick_mirrors()
        by = f" [signed-by={KEYRING}]" if os.path.exists(KEYRING) else ""
        text = (f"deb{by} {main} {SUITE} main\ndeb{by} {security} {SUITE}-security main\n"
                f"deb-src{by} {main} {SUITE} main\n")
        self.sources = os.path.join(root, "etc", "sources.list")
        with open(self.sources, "w") as f:
            f.write(text)
        self.opts = []
        for k, v in (("Dir::Etc::SourceList", self.sources), ("Dir::Etc::SourceParts", "/dev/null"),
                     ("Dir::State", os.path.join(root, "state")),
                     ("Dir::State::Status", "/var/lib/dpkg/status"),
                     ("Dir::Cache", os.path.join(root, "cache")), ("APT::Sandbox::User", ""),
                     ("APT::Update::Post-Invoke-Success::", ""), ("Acquire::Languages", "none"),
                     ("Acquire::Retries", "3"), ("Dir::Log", os.path.join(root, "log"))):
            self.opts += ["-o", f"{k}={v}"]

    def update(self):
        run(["apt-get", "-q", *self.opts, "update"])

    def get(self, *args, cwd):
        """apt-get, with the lists brought up to date when the first try finds nothing."""
        fresh = os.path.join(self.root, "updated")
        if not os.path.exists(fresh):
            self.update()
            open(fresh, "w").close()
            return run(["apt-get", "-q", *self.opts, *args], cwd=cwd)
        try:
            return run(["apt-get", "-q", *self.opts, *args], cwd=cwd)
        except FetchError:
            self.update()
            return run(["apt-get", "-q", *self.opts, *args], cwd=cwd)

    def closure(self, packages, cwd):
        """Downloads packages with all they depend on, for a machine that has nothing yet; their files."""
        empty = os.path.join(self.root, "nothing-installed")
        open(empty, "w").close()
        opts = ["-o", f"Dir::State::Status={empty}", "-o", "APT::Install-Recommends=0", "-y", "install"]
        # with no cache in sight, else what is there already would not be listed
        none = os.path.join(self.root, "no-archives")
        os.makedirs(os.path.join(none, "partial"), exist_ok=True)
        listed = self.get("-o", f"Dir::Cache::Archives={none}", *opts, "--print-uris", *packages,
                          cwd=cwd)
        names = re.findall(r"^'[^']+' (\S+\.deb) ", listed, re.M)
        self.get(*opts, "--download-only", *packages, cwd=cwd)
        folder = os.path.join(self.root, "cache", "archives")
        files = [os.path.join(folder, n) for n in names]
        have = [f for f in files if os.path.exists(f)]
        if not names or have != files:
            raise FetchError(f"apt did not bring {', '.join(sorted(set(files) - set(have)))}")
        return files

    def depends(self, package):
        self.get("--version", cwd=self.root)
        return run(["apt-cache", *self.opts, "depends", package])


@contextmanager
def locked():
    """One at a time works in the download folder."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def archive():
    return Apt(os.path.join(CACHE, "apt"))
