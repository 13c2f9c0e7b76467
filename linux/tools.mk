# SPDX-License-Identifier: GPL-2.0-only
# Programs that run on an ordinary Linux machine with an RDMA device: the verbs on libibverbs and librdmacm,
# and on them the same FIT, board bring-up and managers as in the monitors. Their headers and libraries are
# fetched, not installed, so these programs are built on demand only. Objects stand on the command line in
# front of the archives: what they define is not taken from softroce.

#: make linux-tools  fitctl and fit-managers for a Linux peer, in build/host/
.PHONY: linux-tools
linux-tools: $(BUILD)/host/fitctl $(BUILD)/host/fit-managers

RDMA_STAMP := $(BUILD)/rdma/stamp
RDMA_LIB   := $(BUILD)/rdma/usr/lib/x86_64-linux-gnu
$(RDMA_STAMP):
	@BUILD=$(BUILD) scripts/fetch rdma

LINUX_BOARD_SRCS := $(wildcard linux/verbs/*.c linux/board/*.c)
HOST_PARTS       += linux/verbs linux/board linux/tools
INC_linux/verbs  := $(INC_fit) -isystem $(BUILD)/rdma/usr/include
INC_linux/board  := $(INC_monitors/common)
INC_linux/tools  := $(INC_monitors/common)
HOST_LIBS_linux/tools   := managers common fit kern
HOST_LDLIBS_linux/tools := -L$(RDMA_LIB) -libverbs -ldl -Wl,--allow-shlib-undefined
$(patsubst %.c,$(BUILD)/host/obj/%.c.o,$(wildcard linux/verbs/*.c)): | $(RDMA_STAMP)
