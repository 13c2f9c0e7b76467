#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 420
# The short form of the benchmarks runs to its end and fills every cell of its tables.
cd "$(dirname "$0")/../.." || exit 1
export BUILD=${BUILD:-build}
scripts/fetch linux rdma || { echo "Debian's kernel and RDMA packages cannot be fetched"; exit 77; }
make -s "$BUILD/bench/tcpbench" "$BUILD/bench/rxebench" || exit 1
out=$(bench/all --quick) || { echo "$out"; exit 1; }
echo "$out"
if bench/report --only tcp | grep -E '^ *[0-9]+ .* -( |$)'; then
	echo "FAIL: cells are empty"
	exit 1
fi
for goal in 'FIT round trip' 'WRITE of 64' 'READ of 4' '1,000 outstanding' 'ten calls' 'idle board'; do
	echo "$out" | grep -q "^  $goal.*[0-9] *(" || { echo "FAIL: no ratio: $goal"; exit 1; }
done
[ -s "$BUILD/bench/tcp.svg" ]
