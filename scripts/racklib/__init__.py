# SPDX-License-Identifier: GPL-2.0-only
"""The rack as the operator sees it: description, network, boards, supervisor, verbs."""
import os

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, os.environ.get("BUILD", "build"))
RACKS = os.path.join(BUILD, "rack")


class RackError(Exception):
    """Something the operator is told in one line."""
