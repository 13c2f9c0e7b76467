# SPDX-License-Identifier: GPL-2.0-only
# What lies in build/ without being compiled: fetched packages, the ramfs; and the targets that run things.

#: make setup    installs what is needed from Debian and fetches lwIP
.PHONY: setup
setup:
	@scripts/setup

# lwIP's sources: whoever compiles a file of $(LWIP_SRC) depends on $(LWIP_STAMP), order-only.
LWIP_SRC   := $(BUILD)/lwip/src
LWIP_STAMP := $(BUILD)/lwip/stamp
$(LWIP_STAMP): scripts/lwip.sha256 $(wildcard patches/lwip/*.patch)
	@BUILD=$(BUILD) scripts/fetch lwip
	@touch $@
