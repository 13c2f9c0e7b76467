# SPDX-License-Identifier: GPL-2.0-only
"""One board as a QEMU machine: its command line. QEMU runs with the rack's state folder as working
folder, so that socket paths stay short however deep the tree lies."""
import os

from . import BUILD, RackError, accel, config, linux, net, rootfs

REAL = "qemu-system-x86_64"
QEMU = os.environ.get("RACK_QEMU", REAL)


def image_of(cfg, board):
    """What the board's machine boots; RackError when it is not there."""
    if config.on_linux(cfg, board):
        return linux.kernel()
    path = board.image or os.path.join(BUILD, f"{board.role}.elf")
    if not os.path.exists(path):
        raise RackError(f"board {board.name}: image {os.path.relpath(path)} is not there: "
                        f"run `make images`")
    return os.path.abspath(path)


def initrd_of(board):
    path = board.initrd or os.path.join(BUILD, "ramfs.cpio")
    if not os.path.exists(path):
        raise RackError(f"board {board.name}: initrd {os.path.relpath(path)} is not there: "
                        f"run `make ramfs`")
    return os.path.abspath(path)


def machine_args(cpus, memory, program=QEMU, icount=None):
    """What every machine of ours shares. icount: an instruction takes 2^icount ns of the machine's time, so that
    its clock counts instructions while it is not halted (tests/icount).

    QEMU: TCG leaves out memory barriers where there can be only one CPU, although devices run in other
    threads; then a virtio doorbell or interrupt is lost now and then, for ever. maxcpus keeps them in.
    """
    counted = icount is not None
    return [program, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-M", "q35", "-accel", "tcg,thread=single" if counted else accel.choose(program), "-cpu", "max",
            "-smp", f"{cpus},maxcpus={max(cpus, 2)}", "-m", memory,
            *(["-icount", f"shift={icount}"] if counted else [])]


# QEMU: a doorbell of virtio-net puts sending off by x-txtimer (ns; never so long here) and the next one sends at
# once, in the CPU's own thread. Without it each frame waits for QEMU's main loop to wake up.
TWO_DOORBELLS = "tx=timer,x-txtimer=4000000000"
TWO_DOORBELLS_WORD = "virtio.doorbells=2"  # tells the monitor's driver


def nic_args(model, ident, tap, mac, slot, mtu, queue=1024, two_doorbells=False):
    netdev = f"tap,id={ident},ifname={tap},script=no,downscript=no,vnet_hdr=on"
    if model == "virtio-net":
        device = (f"virtio-net-pci,netdev={ident},mac={mac},host_mtu={mtu},mrg_rxbuf=on,ioeventfd=off,"
                  f"rx_queue_size={queue},disable-legacy=on,addr={slot:#x}"
                  + (f",{TWO_DOORBELLS}" if two_doorbells else ""))
    else:
        device = f"e1000e,netdev={ident},mac={mac},addr={slot:#x}"
    return ["-netdev", netdev, "-device", device]


def fsdev_args(tag, folder, slot):
    """One export: a folder of the host behind a 9P server of QEMU's.

    security_model=none: what a program writes is an ordinary file of the host's, with the mode it asked
    for, and links are links. That is what an unpacked Debian has, so the mapped models, which keep links in
    files of their own, cannot show one. Owners are the host's too when QEMU is root's; else everything
    belongs to the operator.
    """
    return ["-fsdev", f"local,id={tag},path={folder},security_model=none,multidevs=remap",
            "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag},disable-legacy=on,addr={slot:#x}"]


def export_args(cfg, board):
    args = []
    for i, tag in enumerate(board.exports):
        folder = rootfs.root_of(cfg) if tag == "root" else rootfs.host_of(cfg)
        if "," in folder:
            raise RackError(f"export {tag}: QEMU cannot take a folder with a comma: {folder}")
        args += fsdev_args(tag, folder, 6 + i)
    return args


def boot_args(cfg, board):
    """What a board boots: its monitor, or Linux with the managers as a program."""
    words = config.command_line(cfg, board)
    if not config.on_linux(cfg, board):
        args = ["-kernel", image_of(cfg, board), "-append", f"{words} {TWO_DOORBELLS_WORD}"]
        return args + (["-initrd", initrd_of(board)] if board.role == "mcomponent" else [])
    return ["-kernel", linux.kernel(), "-initrd", linux.managers_initramfs(),
            "-append", f"console=ttyS0 panic=-1 quiet loglevel=3 -- {words}"]


def board_args(cfg, board):
    """The command that boots board, to be run in the state folder."""
    n = board.name
    program = REAL if config.on_linux(cfg, board) else QEMU
    args = machine_args(board.cpus, board.memory, program, board.icount) + boot_args(cfg, board) + [
        "-name", f"{cfg.name}-{n}",
        "-serial", f"file:logs/{n}.log",
        "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
        "-device", "virtio-rng-pci,disable-legacy=on,addr=0x2",
        "-chardev", f"socket,id=ctl,path=ctl-{n}.sock,server=on,wait=off",
        "-device", "virtio-serial-pci,disable-legacy=on,max_ports=2,addr=0x3",
        "-device", "virtserialport,chardev=ctl,nr=1",
        "-gdb", f"unix:gdb-{n}.sock,server=on,wait=off",
        "-qmp", f"unix:qmp-{n}.sock,server=on,wait=off"]
    args += nic_args(cfg.fabric["nic"], "fab", net.fabric_tap(board),
                     f"52:54:00:77:00:{board.index + 1:02x}", 4, cfg.fabric["mtu"],
                     two_doorbells=not config.on_linux(cfg, board))
    args += export_args(cfg, board)
    for i, tap in enumerate(net.eth_taps(board)):
        args += nic_args("e1000e", f"eth{i}", tap, f"52:54:00:77:{i + 1:02x}:{board.index + 1:02x}",
                         5 + i, cfg.ethernet["mtu"])
    return args


def selftest_args(image, suites="", cpus=2, memory="256M", initrd=None, log="-", extra=(),
                  export=None):
    """A machine that boots image with its self-tests and then ends; no network but what extra adds."""
    words = "name=test selftest" + (f"={suites}" if suites else "")
    args = machine_args(cpus, memory) + [
        "-kernel", image, "-append", " ".join([words, *extra]),
        "-serial", "stdio" if log == "-" else f"file:{log}",
        "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
        "-device", "virtio-rng-pci,disable-legacy=on",
        "-chardev", "null,id=ctl", "-device", "virtio-serial-pci,disable-legacy=on,max_ports=2",
        "-device", "virtserialport,chardev=ctl,nr=1"]
    if initrd:
        args += ["-initrd", initrd]
    if export:
        args += fsdev_args("root", export, 6)
    return args
