#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# timeout: 5400
# Random system calls for an hour (SYSCALLS_SECONDS), a new seed each minute.
export FUZZ_SECONDS=${SYSCALLS_SECONDS:-3600} FUZZ_SEED=${SYSCALLS_SEED:-$((RANDOM + 1000))}
exec "$(dirname "$0")/../abi/fuzz.py"
