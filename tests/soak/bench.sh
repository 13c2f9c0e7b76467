#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 300
# The short form of the benchmarks runs to its end and fills every cell of its tables.
cd "$(dirname "$0")/../.." || exit 1
export BUILD=${BUILD:-build}
make -s "$BUILD/bench/tcpbench" || exit 1
[ -e "$BUILD/linux/stamp" ] || scripts/fetch linux || { echo "Debian's kernel cannot be fetched"; exit 77; }
out=$(bench/all --quick) || { echo "$out"; exit 1; }
echo "$out"
if bench/report --only tcp | grep -E '^ *[0-9]+ .* -( |$)'; then
	echo "FAIL: cells are empty"
	exit 1
fi
[ -s "$BUILD/bench/tcp.svg" ]
