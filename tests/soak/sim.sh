#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 900
# The fabric and FIT on the wire with faults, for many seeds. A failing one is printed and replays:
# SEED=n HARSH=0|1|2 build/host/san/tests/unit/fit/lossy/test_fit_lossy
cd "$(dirname "$0")/../.." || exit 1
dir=${BUILD:-build}/host/san/tests/unit/fit
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
from=${SIM_FROM:-1000} n=${SIM_SEEDS:-1200}
for i in $(seq 0 100 $((n - 1))); do
	for prog in lossy/test_fit_lossy softroce/test_faults; do
		SEED=$((from + i)) SEEDS=100 nice "$dir/$prog" >"$log" 2>&1 || {
			tail -n 40 "$log"
			exit 1
		}
	done
done
echo "$n seeds of each kind"
