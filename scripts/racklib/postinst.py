# SPDX-License-Identifier: GPL-2.0-only
"""What maintainer scripts do that programs need, done without running them.

The scripts are read, not run: they may ask for root, for a running system, or for a network. What is
taken from them is what can be told from their text: alternatives, system users, nginx's modules. What
else a package needs to run is in FINISH, by package.
"""
import glob
import os
import re
import shlex
import shutil

FIRST_SYSTEM_ID = 100
# what base-files' script makes: path, mode, group
BASE_FOLDERS = [("mnt", 0o755, 0), ("srv", 0o755, 0), ("opt", 0o755, 0), ("media", 0o755, 0),
                ("root", 0o700, 0), ("home", 0o755, 0), ("etc/opt", 0o755, 0),
                ("var/opt", 0o755, 0), ("var/mail", 0o2775, 8), ("var/log", 0o755, 0),
                ("var/cache", 0o755, 0), ("var/lib/misc", 0o755, 0), ("var/tmp", 0o1777, 0),
                ("tmp", 0o1777, 0), ("run", 0o755, 0), ("dev", 0o755, 0), ("proc", 0o555, 0),
                ("sys", 0o555, 0), ("host", 0o755, 0), ("usr/local/bin", 0o755, 0),
                ("usr/local/lib", 0o755, 0), ("usr/local/sbin", 0o755, 0),
                ("usr/local/share", 0o755, 0), ("usr/local/etc", 0o755, 0)]


def write(root, path, text, mode=0o644):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(full, mode)


def link(root, path, target):
    """A symbolic link where nothing is yet."""
    full = os.path.join(root, path.lstrip("/"))
    if not os.path.lexists(full):
        os.makedirs(os.path.dirname(full), exist_ok=True)
        os.symlink(target, full)


class Users:
    """/etc/passwd and /etc/group of the tree."""

    def __init__(self, root):
        self.root = root
        self.uid, self.gid = self.read("etc/passwd"), self.read("etc/group")
        self.refused = []  # (path, uid, gid) that an operator who is not root cannot give

    def read(self, path):
        full = os.path.join(self.root, path)
        if not os.path.exists(full):
            return {}
        with open(full) as f:
            return {w[0]: int(w[2]) for w in (line.split(":") for line in f) if len(w) > 2}

    def append(self, path, line):
        with open(os.path.join(self.root, path), "a") as f:
            f.write(line + "\n")

    def free_id(self):
        used = set(self.uid.values()) | set(self.gid.values())
        return next(i for i in range(FIRST_SYSTEM_ID, 1000) if i not in used)

    def add_group(self, name, gid=None):
        if name not in self.gid:
            self.gid[name] = self.free_id() if gid is None else gid
            self.append("etc/group", f"{name}:x:{self.gid[name]}:")

    def add_user(self, name, group=None, home="/nonexistent", shell="/usr/sbin/nologin"):
        if name in self.uid:
            return
        uid = self.gid.get(name, self.free_id())
        if group is None and name not in self.gid:
            self.add_group(name, uid)
        self.uid[name] = uid
        self.append("etc/passwd", f"{name}:x:{uid}:{self.gid[group or name]}::{home}:{shell}")

    def give(self, path, user, group, mode):
        """Owner and mode, as far as the caller may give them away."""
        full = os.path.join(self.root, path)
        if os.geteuid() == 0:
            os.chown(full, self.uid[user], self.gid[group])
        else:
            self.refused.append((path, self.uid[user], self.gid[group]))
        os.chmod(full, mode)

    def folder(self, path, user, group, mode):
        os.makedirs(os.path.join(self.root, path), exist_ok=True)
        self.give(path, user, group, mode)


# ---- reading scripts -----------------------------------------------------------------------
def commands(script, name):
    """Argument lists of the calls of a command, with the script's plain variables put in."""
    text = re.sub(r"\\\n", " ", script)
    plain = dict(re.findall(r"^\s*(\w+)=[\"']?([^\s\"'$`]*)[\"']?\s*$", text, re.M))
    plain.update({k: plain[v] for k, v in re.findall(r"^\s*(\w+)=\"?\$(\w+)\"?\s*$", text, re.M)
                  if v in plain})
    for line in re.findall(r"^\s*%s\s+(.*)$" % re.escape(name), text, re.M):
        line = re.sub(r"\$\{?(\w+)\}?", lambda m: plain.get(m.group(1), m.group(0)), line)
        line = re.split(r"\|\||&&|;|\s>|\s2>", line)[0]
        if "$" in line or "`" in line:
            continue
        try:
            yield shlex.split(line)
        except ValueError:
            continue


def alternatives(root, script, best):
    """update-alternatives --install: the highest priority of each name wins, as in automatic mode."""
    for words in commands(script, "update-alternatives"):
        words = [w for w in words if w not in ("--quiet", "--force")]
        if len(words) < 5 or words[0] != "--install" or not words[4].isdigit():
            continue
        path, name, target, prio = words[1:4] + [int(words[4])]
        if best.get(name, -1) >= prio or not os.path.exists(os.path.join(root, target.lstrip("/"))):
            continue
        best[name] = prio
        slaves = [words[i + 1:i + 4] for i, w in enumerate(words) if w == "--slave"]
        for lpath, lname, ltarget in [(path, name, target), *slaves]:
            if not os.path.lexists(os.path.join(root, ltarget.lstrip("/"))):
                continue
            inner = os.path.join(root, "etc/alternatives", lname)
            if os.path.lexists(inner):
                os.unlink(inner)
            link(root, f"etc/alternatives/{lname}", ltarget)
            link(root, lpath, f"/etc/alternatives/{lname}")


def system_users(users, script):
    for words in commands(script, "addgroup"):
        if "--system" in words and not words[-1].startswith("-"):
            users.add_group(words[-1])
    for words in commands(script, "adduser"):
        if "--system" not in words or words[-1].startswith("-"):
            continue
        opt = {w: words[i + 1] for i, w in enumerate(words[:-1]) if w.startswith("--")}
        group = opt.get("--ingroup") or (None if "--group" in words else "nogroup")
        users.add_user(words[-1], group, opt.get("--home", "/nonexistent"),
                       opt.get("--shell", "/usr/sbin/nologin"))


def sysusers(root, users):
    """sysusers.d(5), as far as packages use it: u and g lines."""
    for path in sorted(glob.glob(os.path.join(root, "usr/lib/sysusers.d/*.conf"))):
        with open(path) as f:
            for words in (shlex.split(line, comments=True) for line in f):
                if len(words) > 1 and words[0] == "g":
                    users.add_group(words[1])
                elif len(words) > 1 and words[0] == "u":
                    home = words[4] if len(words) > 4 and words[4] != "-" else "/nonexistent"
                    users.add_user(words[1], None, home)


# ---- packages ------------------------------------------------------------------------------
def finish_nginx(root, users, scripts):
    users.folder("var/log/nginx", "root", "adm", 0o755)
    for name in ("access.log", "error.log"):
        write(root, f"var/log/nginx/{name}", "")
        users.give(f"var/log/nginx/{name}", "www-data", "adm", 0o640)
    users.folder("var/lib/nginx", "root", "root", 0o755)
    link(root, "etc/nginx/sites-enabled/default", "/etc/nginx/sites-available/default")
    # a rack has no IPv6, and nginx does not start when a listener cannot be made
    site = os.path.join(root, "etc/nginx/sites-available/default")
    if os.path.exists(site):
        with open(site) as f:
            text = f.read()
        with open(site, "w") as f:
            f.write(re.sub(r"^(\s*)(listen \[::\])", r"\1# \2", text, flags=re.M))
    page = os.path.join(root, "usr/share/nginx/html/index.html")
    os.makedirs(os.path.join(root, "var/www/html"), exist_ok=True)
    if os.path.exists(page):
        shutil.copyfile(page, os.path.join(root, "var/www/html/index.nginx-debian.html"))
    for script in scripts.values():
        for pairs in re.findall(r"^for confpair in (.*?)\s*;\s*do", script, re.M):
            for source, _, name in (p.partition(":") for p in pairs.split()):
                link(root, f"etc/nginx/modules-enabled/{name}",
                     f"/usr/share/nginx/modules-available/{source}")


def finish_redis(root, users, scripts):
    users.folder("var/log/redis", "redis", "adm", 0o2750)
    users.folder("var/lib/redis", "redis", "redis", 0o750)
    users.folder("etc/redis", "redis", "redis", 0o2770)
    if os.path.exists(os.path.join(root, "etc/redis/redis.conf")):
        users.give("etc/redis/redis.conf", "redis", "redis", 0o640)


def finish_ca_certificates(root, users, scripts):
    """One file of all certificates, as update-ca-certificates makes it."""
    out = []
    for path in sorted(glob.glob(os.path.join(root, "usr/share/ca-certificates/mozilla/*.crt"))):
        with open(path) as f:
            out.append(f.read().rstrip("\n") + "\n")
        name = os.path.basename(path)[:-4] + ".pem"
        link(root, f"etc/ssl/certs/{name}", path[len(root):])
    write(root, "etc/ssl/certs/ca-certificates.crt", "".join(out))


def finish_procps(root, users, scripts):
    link(root, "usr/bin/w", "w.procps")


FINISH = {"nginx-common": finish_nginx, "redis-tools": finish_redis, "procps": finish_procps,
          "ca-certificates": finish_ca_certificates}


# ---- the tree ------------------------------------------------------------------------------
def base(root):
    """What base-files, base-passwd and dash make before anything else can be told."""
    for name in ("passwd", "group"):
        master = os.path.join(root, f"usr/share/base-passwd/{name}.master")
        with open(master) as f:
            write(root, f"etc/{name}", f.read().replace(":*:", ":x:"))
    for path, mode, group in BASE_FOLDERS:
        full = os.path.join(root, path)
        os.makedirs(full, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(full, 0, group)
        os.chmod(full, mode)
    link(root, "var/run", "/run")
    link(root, "var/lock", "/run/lock")
    link(root, "var/spool/mail", "../mail")
    link(root, "etc/mtab", "/proc/self/mounts")
    link(root, "usr/bin/sh", "dash")
    link(root, "etc/localtime", "/usr/share/zoneinfo/Etc/UTC")
    write(root, "etc/timezone", "Etc/UTC\n")
    for name, to in (("dot.profile", "root/.profile"), ("dot.bashrc", "root/.bashrc"),
                     ("profile", "etc/profile"), ("nsswitch.conf", "etc/nsswitch.conf")):
        source = os.path.join(root, "usr/share/base-files", name)
        if os.path.exists(source) and not os.path.exists(os.path.join(root, to)):
            shutil.copyfile(source, os.path.join(root, to))
    write(root, "etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
                                     "networks: files\nprotocols: files\nservices: files\n")


def finish(root, scripts):
    """Everything after unpacking; scripts: {package: its postinst}. Returns owners that could not be given."""
    base(root)
    users, best = Users(root), {}
    for name in sorted(scripts):
        alternatives(root, scripts[name], best)
        system_users(users, scripts[name])
    sysusers(root, users)
    for name, fn in FINISH.items():
        if name in scripts:
            fn(root, users, scripts)
    return users.refused
