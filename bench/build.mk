# SPDX-License-Identifier: GPL-2.0-only
# The benchmarks' static programs, for the rack, for Linux, and for the machine outside.

TCPBENCH := $(BUILD)/bench/tcpbench $(BUILD)/bench/wordcount $(BUILD)/bench/membench
RAMFS_PROGRAMS += $(TCPBENCH)
$(TCPBENCH): $(BUILD)/bench/%: bench/%.c
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	@$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g $(WARN) -static -o $@ $<

# The fabric's baseline, for Linux machines with rdma_rxe.
RXEBENCH := $(BUILD)/bench/rxebench
$(RXEBENCH): bench/rxebench.c | $(RDMA_STAMP)
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	@$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g $(WARN) -isystem $(BUILD)/rdma/usr/include -o $@ $< \
	  -L$(RDMA_LIB) -lrdmacm -libverbs -Wl,--allow-shlib-undefined

#: make bench    the paper's evaluation beside Linux, and the fabric's; docs/evaluation.md gets its tables (20 minutes)
#: make bench-quick  the same, short: under three minutes, tables only
#: make bench-memory  system calls and memory beside Linux, misses beside the fabric (5 minutes)
.PHONY: bench bench-quick bench-memory bench-programs
bench-programs: setup-quiet
	@scripts/setup -q --bench
	@$(MAKE) -s images ramfs $(TCPBENCH) $(RXEBENCH)
bench: bench-programs
	@BENCH_PREPARED=1 bench/all $(if $(FULL),--full)
bench-quick: bench-programs
	@BENCH_PREPARED=1 bench/all --quick
bench-memory: bench-programs
	@BENCH_PREPARED=1 bench/memory
