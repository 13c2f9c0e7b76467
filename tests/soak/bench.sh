#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 420
# The short form of the benchmarks runs to its end and fills every cell of its tables.
cd "$(dirname "$0")/../.." || exit 1
export BUILD=${BUILD:-build} BENCH_PREPARED=1
scripts/fetch linux rdma || { echo "Debian's kernel and RDMA packages cannot be fetched"; exit 77; }
make -s "$BUILD/bench/tcpbench" "$BUILD/bench/rxebench" || exit 1
make -s "$BUILD/bench/wordcount" ramfs || exit 1
out=$(bench/all --quick) || { echo "$out"; exit 1; }
echo "$out"
for table in tcp shaped local joined; do
	if bench/report --only $table | grep -E '^ *[0-9]+ .* -( |$)'; then
		echo "FAIL: $table: cells are empty"
		exit 1
	fi
done
for goal in 'FIT round trip' 'WRITE of 64' 'READ of 4' '1,000 outstanding' 'ten calls' 'idle board' \
	'latency 128' 'connect, remote' 'connect, rack' 'word count' 'core share' 'time per frame' \
	'intra-p' 'inter-p'; do
	echo "$out" | grep -q "^  $goal.*[0-9] .*reached" || { echo "FAIL: no value: $goal"; exit 1; }
done
[ -s "$BUILD/bench/tcp.svg" ]
