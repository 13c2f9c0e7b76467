#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 300
# Each fuzz target for FUZZ_SECONDS (4) seconds from its seed corpus. What it finds stays in
# build/fuzz/ and is run again by: build/host/fuzz/TARGET FILE
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
if ! echo 'int LLVMFuzzerTestOneInput(void){return 0;}' |
	clang -fsanitize=fuzzer,address -x c -o /dev/null - 2>/dev/null; then
	echo "clang has no libFuzzer here (libclang-rt-14-dev)"
	exit 77
fi
nice make -s fuzz || exit 1
mkdir -p "$BUILD/fuzz"
python3 tests/fuzz/seeds.py "$BUILD/fuzz/seeds" || exit 1
n=0 failed=0
for target in frames cm fit p9 skel stub; do
	n=$((n + 1))
	corpus=$BUILD/fuzz/corpus/$target log=$BUILD/fuzz/$target.log
	[ -n "$FUZZ_KEEP" ] || rm -rf "$corpus" # a short run begins where every other began
	mkdir -p "$corpus"
	if nice "$BUILD/host/fuzz/$target" -max_total_time="${FUZZ_SECONDS:-4}" -max_len=2048 \
		-len_control=0 -timeout=20 -rss_limit_mb=1024 -detect_leaks=0 -print_final_stats=1 \
		-artifact_prefix="$BUILD/fuzz/$target-" "$corpus" "$BUILD/fuzz/seeds/$target" \
		>"$log" 2>&1; then
		echo "ok $n - $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
	else
		failed=1
		grep -v "NEW\|REDUCE\|speaks FIT" "$log" | tail -n 40 | sed 's/^/# /'
		echo "not ok $n - $target"
	fi
done
echo "1..$n"
exit $failed
