# SPDX-License-Identifier: GPL-2.0-only
"""The rack's description: reads a TOML file, applies --set, checks everything, names what is wrong.

Nothing is started before the whole description has been found good. Every complaint names the file,
the line where it can be told, the key and what was expected.
"""
import ipaddress
import os
import re
import tomllib
from dataclasses import dataclass, field

from . import RackError

ROLES = ("manager", "pcomponent", "mcomponent", "ncomponent", "scomponent")
OPTIONAL_ROLES = ("scomponent",)

HELP = """\
keys of a rack's TOML file (all can be given with --set KEY=VALUE):
  name                  name of the rack; its state is build/rack/NAME
  timeout               seconds a board may take to come up (default 60)
  managers              board (default), or linux: the managers are a program on a Linux VM with rdma_rxe
  append                words for the command line of every board
  log                   error|warn|info|debug: what boards log (default info)
  fabric.network        IPv4 network of the fabric, such as 10.77.0.0/24
  fabric.mtu            1280 to 9000 (default 9000)
  fabric.nic            virtio-net (default) or e1000e
  ethernet.network      IPv4 network of the Ethernet
  ethernet.host         address of the external Linux side
  ethernet.mtu          1280 to 1500 (default 1500)
  net.data              ddio (default), dma or auto (the cheaper, by measurement): how socket data travels
  net.local             on (default) or off: connections inside the rack are joined directly
  net.dma.pack          on (default) or off
  net.dma.prefetch      on (default) or off
  net.dma.early         on (default) or off: a small record's descriptor leaves together with its bytes
  net.policy            spread (default), pack or pin: how GNM chooses nComponents
  rootfs.packages       Debian packages, such as ["nginx-light"]: with all they depend on they are
                        unpacked and become the root of programs; written files survive `down`
  rootfs.folder         instead: a folder that is the root as it is
  nameserver            address of a DNS server, for /etc/resolv.conf of rootfs.packages
  host                  a folder of yours that programs see as /host
  board.NAME.role       manager, pcomponent, mcomponent, ncomponent or scomponent
  board.NAME.ip         its address on the fabric
  board.NAME.cpus       number of CPUs, 1 to 16 (default 1)
  board.NAME.memory     such as 512M or 1G (default 512M)
  board.NAME.excache    pComponent: size of exCache
  board.NAME.eth        nComponent: its address on the Ethernet
  board.NAME.eth2       nComponent: the address of its second NIC there (default: it has one NIC)
  board.NAME.exports    sComponent: its exports, such as ["root", "host"] (default: root, and host
                        when the rack has one); each is in one sComponent only
  board.NAME.initrd     mComponent: cpio archive for its ramfs (default build/ramfs.cpio)
  board.NAME.image      ELF image (default build/ROLE.elf)
  board.NAME.icount     0 to 10: an instruction takes 2^icount ns of the board's time (1 CPU; default: off)
  board.NAME.append     words for its command line
"""

SIZE = re.compile(r"^[1-9][0-9]*[KMG]$")
NAME = re.compile(r"^[a-z][a-z0-9-]{0,7}$")


def is_size(v):
    return isinstance(v, str) and SIZE.match(v) is not None


def is_ip(v):
    try:
        return isinstance(v, str) and ipaddress.IPv4Address(v) is not None
    except ValueError:
        return False


def is_net(v):
    try:
        return isinstance(v, str) and "/" in v and ipaddress.IPv4Network(v) is not None
    except ValueError:
        return False


def one_of(*words):
    return lambda v: v in words, " or ".join(words)


def number(lo, hi):
    return lambda v: type(v) is int and lo <= v <= hi, f"a number from {lo} to {hi}"


TEXT = (lambda v: isinstance(v, str), "a string")
EXPORTS = ("root", "host")
ONOFF = one_of("on", "off")
WORDS = (lambda v: isinstance(v, list) and v and all(isinstance(w, str) for w in v),
         "a list of strings, not empty; with --set A,B,...")

# key (with * for a board's name) -> (test, what was expected)
KEYS = {
    "name": (lambda v: isinstance(v, str) and re.match(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", v),
             "letters, digits, - and _"),
    "timeout": number(1, 3600),
    "managers": one_of("board", "linux"),
    "append": TEXT,
    "log": one_of("error", "warn", "info", "debug"),
    "fabric.network": (is_net, "an IPv4 network such as 10.77.0.0/24"),
    "fabric.mtu": number(1280, 9000),
    "fabric.nic": one_of("virtio-net", "e1000e"),
    "ethernet.network": (is_net, "an IPv4 network such as 192.168.77.0/24"),
    "ethernet.host": (is_ip, "an IPv4 address"),
    "ethernet.mtu": number(1280, 1500),
    "net.data": one_of("ddio", "dma", "auto"),
    "net.local": ONOFF,
    "net.dma.pack": ONOFF,
    "net.dma.prefetch": ONOFF,
    "net.dma.early": ONOFF,
    "net.policy": one_of("spread", "pack", "pin"),
    "board.*.role": one_of(*ROLES),
    "board.*.ip": (is_ip, "an IPv4 address"),
    "board.*.cpus": number(1, 16),
    "board.*.memory": (is_size, "a size such as 512M"),
    "board.*.excache": (is_size, "a size such as 64M"),
    "board.*.eth": (is_ip, "an IPv4 address"),
    "board.*.eth2": (is_ip, "an IPv4 address"),
    "board.*.initrd": TEXT,
    "board.*.image": TEXT,
    "board.*.icount": number(0, 10),
    "board.*.append": TEXT,
    "board.*.exports": (lambda v: isinstance(v, list) and v and set(v) <= set(EXPORTS)
                        and len(set(v)) == len(v), f"a list of some of {', '.join(EXPORTS)}"),
    "rootfs.packages": WORDS,
    "rootfs.folder": TEXT,
    "host": TEXT,
    "nameserver": (is_ip, "an IPv4 address"),
}
LISTS = ("rootfs.packages",)  # with --set: words with commas between them
ROLE_ONLY = {"excache": "pcomponent", "eth": "ncomponent", "eth2": "ncomponent", "initrd": "mcomponent",
             "exports": "scomponent"}


@dataclass
class Board:
    name: str
    role: str
    ip: str
    index: int
    cpus: int = 1
    memory: str = "512M"
    excache: str = ""
    eth: str = ""
    eth2: str = ""
    initrd: str = ""
    exports: list = field(default_factory=list)
    image: str = ""
    icount: int | None = None
    append: str = ""


@dataclass
class Config:
    path: str
    name: str = "default"
    timeout: int = 60
    managers: str = "board"
    append: str = ""
    log: str = "info"
    fabric: dict = field(default_factory=dict)
    ethernet: dict = field(default_factory=dict)
    net: dict = field(default_factory=dict)
    rootfs: dict = field(default_factory=dict)
    host: str = ""
    nameserver: str = ""
    boards: list = field(default_factory=list)

    def board(self, name):
        for b in self.boards:
            if b.name == name:
                return b
        names = ", ".join(b.name for b in self.boards)
        raise RackError(f"rack {self.name} has no board {name!r} (it has {names})")

    @property
    def manager(self):
        return next(b for b in self.boards if b.role == "manager")


class Source:
    """A description's text, to say where a key stands."""

    def __init__(self, path, text, from_set):
        self.path, self.text, self.from_set = path, text, from_set

    def line_of(self, key):
        """Number of the line that sets key (dotted), or the nearest table above it; 0 unknown."""
        section, best = "", 0
        for n, line in enumerate(self.text.split("\n"), 1):
            m = re.match(r"\s*\[+\s*([^]]+?)\s*\]+", line)
            if m:
                section = re.sub(r"[\s\"']", "", m.group(1))
                if key == section:
                    best = n
                continue
            m = re.match(r"\s*([A-Za-z0-9_.\"' -]+?)\s*=", line)
            if m:
                name = re.sub(r"[\s\"']", "", m.group(1))
                full = f"{section}.{name}" if section else name
                if full == key or key.startswith(full + "."):
                    return n
        return best

    def error(self, key, text):
        if key in self.from_set:
            return RackError(f"--set {key}: {text}")
        n = self.line_of(key)
        where = f"{self.path}:{n}" if n else self.path
        return RackError(f"{where}: {key}: {text}")


def set_value(tree, key, value, assignment):
    """Puts value at the dotted key of tree."""
    parts = key.split(".")
    for p in parts[:-1]:
        tree = tree.setdefault(p, {})
        if not isinstance(tree, dict):
            raise RackError(f"--set {assignment}: {p} is not a table")
    tree[parts[-1]] = value


def parse_set(assignment):
    key, eq, text = assignment.partition("=")
    if not eq or not key.strip():
        raise RackError(f"--set {assignment}: expected KEY=VALUE")
    text = text.strip()
    if key.strip() in LISTS or key.strip().endswith(".exports"):
        return key.strip(), text.split(",")
    if re.match(r"^-?[0-9]+$", text):
        return key.strip(), int(text)
    return key.strip(), text


def absolute(sets):
    """Assignments of the command line with the folders in them as the shell means them."""
    done = []
    for assignment in sets:
        key, value = parse_set(assignment)
        if key in ("host", "rootfs.folder") and isinstance(value, str):
            assignment = f"{key}={os.path.abspath(os.path.expanduser(value))}"
        done.append(assignment)
    return done


def flatten(tree, prefix=""):
    for k, v in tree.items():
        if isinstance(v, dict):
            if not v:
                yield prefix + k, v
            yield from flatten(v, prefix + k + ".")
        else:
            yield prefix + k, v


def pattern_of(key):
    return re.sub(r"^board\.[^.]+\.", "board.*.", key)


def check_keys(tree, src):
    """Every key is known and its value is of the right kind; true and false become on and off."""
    flat = {}
    for key, value in flatten(tree):
        rule = KEYS.get(pattern_of(key))
        if rule is None:
            known = sorted(k.split(".")[-1] for k in KEYS
                           if k.rsplit(".", 1)[0] == pattern_of(key).rsplit(".", 1)[0])
            hint = f" (known here: {', '.join(known)})" if "." in key and known else ""
            raise src.error(key, f"unknown key{hint}")
        if rule is ONOFF and isinstance(value, bool):
            value = "on" if value else "off"
        ok, expected = rule[0](value), rule[1]
        if not ok:
            raise src.error(key, f"{value!r} is not {expected}")
        flat[key] = value
    return flat


def make_boards(tree, flat, src):
    boards = []
    for index, (name, keys) in enumerate(tree.get("board", {}).items()):
        where = f"board.{name}"
        if not isinstance(keys, dict) or not NAME.match(name):
            raise src.error(where, "a board is a table with a short lower-case name")
        for need in ("role", "ip"):
            if need not in keys:
                raise src.error(where, f"key {need!r} is missing")
        role = keys["role"]
        for key, only in ROLE_ONLY.items():
            if key in keys and role != only:
                raise src.error(f"{where}.{key}", f"only a {only} has it, and {name} is a {role}")
        if "icount" in keys and keys.get("cpus", 1) != 1:
            raise src.error(f"{where}.icount", f"board {name} must have one CPU to count instructions")
        if role == "ncomponent" and "eth" not in keys:
            raise src.error(where, "an ncomponent needs 'eth', its address on the Ethernet")
        boards.append(Board(name=name, index=index, **keys))
    return boards


def check_boards(cfg, src):
    """The rack is whole: one manager, something of each kind, every address once and on its net."""
    count = {r: sum(b.role == r for b in cfg.boards) for r in ROLES}
    for role in ROLES:
        if count[role] == 0 and role not in OPTIONAL_ROLES:
            raise RackError(f"{src.path}: the rack has no {role}")
    if count["manager"] > 1:
        raise RackError(f"{src.path}: the rack has {count['manager']} managers, expected one")
    seen = {cfg.ethernet["host"]: "ethernet.host"}
    for b in cfg.boards:
        for key, net in (("ip", cfg.fabric["network"]), ("eth", cfg.ethernet["network"]),
                         ("eth2", cfg.ethernet["network"])):
            value = getattr(b, key)
            if not value:
                continue
            where = f"board.{b.name}.{key}"
            if value in seen:
                raise src.error(where, f"address {value} is already used by {seen[value]}")
            seen[value] = where
            if ipaddress.IPv4Address(value) not in ipaddress.IPv4Network(net):
                raise src.error(where, f"address {value} is not in {net}")


def check_exports(cfg, src):
    """What is exported has a folder, and is exported once. Fills in the exports that are not named."""
    boards = [b for b in cfg.boards if b.role == "scomponent"]
    for key in ("rootfs", "host"):
        if getattr(cfg, key) and not boards:
            raise src.error(key, "the rack has no scomponent to export it")
    if "packages" in cfg.rootfs and "folder" in cfg.rootfs:
        raise src.error("rootfs.folder", "either packages or a folder, not both")
    have = [x for x, there in (("root", cfg.rootfs), ("host", cfg.host)) if there]
    named = [x for b in boards for x in b.exports]
    for b in boards:
        where = f"board.{b.name}.exports" if b.exports else f"board.{b.name}"
        b.exports = b.exports or [x for x in have if x not in named]
        named += [x for x in b.exports if x not in named]
        if not b.exports:
            raise src.error(where, "it has nothing to export: set rootfs.packages, rootfs.folder or host")
        for x in b.exports:
            if x not in have:
                raise src.error(where, f"export {x!r} has no folder: set "
                                       f"{'rootfs.packages or rootfs.folder' if x == 'root' else 'host'}")
            if sum(x in o.exports for o in boards) > 1:
                raise src.error(where, f"export {x!r} is another board's too")


def load(path, sets=(), name=None):
    """The checked description in file path with the assignments of --set; RackError says what is wrong."""
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
        tree = tomllib.loads(text)
    except OSError as e:
        raise RackError(f"{path}: {e.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise RackError(f"{path}: {e}") from None
    from_set = set()
    for assignment in sets:
        key, value = parse_set(assignment)
        set_value(tree, key, value, assignment)
        from_set.add(key)
    if name is not None:
        set_value(tree, "name", name, f"name={name}")
        from_set.add("name")
    src = Source(os.path.relpath(path), text, from_set)
    flat = check_keys(tree, src)
    cfg = Config(path=path)
    for key in ("name", "timeout", "managers", "append", "log", "host", "nameserver"):
        if key in flat:
            setattr(cfg, key, flat[key])
    cfg.fabric = {"network": "10.77.0.0/24", "mtu": 9000, "nic": "virtio-net",
                  **tree.get("fabric", {})}
    cfg.ethernet = {"network": "192.168.77.0/24", "host": "192.168.77.1", "mtu": 1500,
                    **tree.get("ethernet", {})}
    cfg.net = {"net.data": "ddio", "net.local": "on",
               **{k: v for k, v in flat.items() if k.startswith("net.")}}
    if ipaddress.IPv4Address(cfg.ethernet["host"]) not in ipaddress.IPv4Network(
            cfg.ethernet["network"]):
        raise src.error("ethernet.host", f"{cfg.ethernet['host']} is not in "
                                         f"{cfg.ethernet['network']}")
    cfg.rootfs = tree.get("rootfs", {})
    cfg.boards = make_boards(tree, flat, src)
    check_boards(cfg, src)
    check_exports(cfg, src)
    return cfg


def on_linux(cfg, board):
    """True for the manager of a rack whose managers are a Linux program."""
    return cfg.managers == "linux" and board.role == "manager"


def command_line(cfg, board):
    """The words a board is booted with."""
    fabric = ipaddress.IPv4Network(cfg.fabric["network"])
    fabric_dev = "virtio0" if cfg.fabric["nic"] == "virtio-net" else "e1000e0"
    words = [f"name={board.name}", f"role={board.role}", f"fabric.dev={fabric_dev}",
             f"fabric.ip={board.ip}", f"fabric.prefix={fabric.prefixlen}",
             f"fabric.mtu={cfg.fabric['mtu']}", f"log={cfg.log}"]
    if board.role != "manager":
        words.append(f"manager.ip={cfg.manager.ip}")
    else:
        words.append(f"gsm.expected={sum(b.role == 'scomponent' for b in cfg.boards)}")
    if sum(b.cpus for b in cfg.boards) > os.cpu_count():
        words.append("heartbeat_ms=2000")  # boards share cores: five missed ones are 10 s
    words += [f"{k}={v}" for k, v in cfg.net.items()]
    if board.excache:
        words.append(f"excache={board.excache}")
    if board.eth:
        eth = ipaddress.IPv4Network(cfg.ethernet["network"])
        eth_dev = "e1000e0" if fabric_dev == "virtio0" else "e1000e1"
        words += [f"eth.dev={eth_dev}", f"eth.ip={board.eth}/{eth.prefixlen}",
                  f"eth.gw={cfg.ethernet['host']}", f"eth.mtu={cfg.ethernet['mtu']}",
                  "e1000e.tso=on"]  # sound on our taps: they have vnet_hdr
    if board.eth2:
        words += [f"eth1.dev=e1000e{int(eth_dev[-1]) + 1}", f"eth1.ip={board.eth2}/{eth.prefixlen}",
                  f"eth1.gw={cfg.ethernet['host']}"]
    return " ".join(words + [w for w in (cfg.append, board.append) if w])
