# SPDX-License-Identifier: GPL-2.0-only
"""The folders that a rack's sComponents export."""
import os

from . import RackError, wire


def folder_of(cfg, key, path):
    """A folder named in the description; a relative one is relative to the description's file."""
    full = os.path.join(os.path.dirname(os.path.abspath(cfg.path)), os.path.expanduser(path))
    if not os.path.isdir(full):
        raise RackError(f"{os.path.relpath(cfg.path)}: {key}: {path} is not a folder")
    return os.path.realpath(full)


def host_of(cfg):
    return folder_of(cfg, "host", cfg.host)


def root_of(cfg):
    """The folder that is the root of the rack's programs."""
    if "folder" in cfg.rootfs:
        return folder_of(cfg, "rootfs.folder", cfg.rootfs["folder"])
    return os.path.join(wire.state_dir(cfg.name), "root")
