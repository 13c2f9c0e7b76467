#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 300
# The flood of tests/rack/wire_flood.py in full: 10,000 SYN a second for 10 s, in turns with 10 s without; in ddio
# and in dma.
WIRE_FLOOD_TURNS=20 exec "$TOP"/tests/rack/wire.py flood
