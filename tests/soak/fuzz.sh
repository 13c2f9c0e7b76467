#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 600
# The fuzz targets for longer, each going on from what earlier long runs found.
FUZZ_SECONDS=${FUZZ_SECONDS:-120} FUZZ_KEEP=1 exec "$(dirname "$0")/../fuzz/run.sh"
