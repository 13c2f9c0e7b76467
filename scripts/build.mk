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

# the links through which headers are found, for checks that compile without a rule of ours
.PHONY: header-roots
header-roots: | $(INC_DIRS) $(UAPI_INC)

#: make test     every test there is; the last line counts them
#: make selftest the part that boots each monitor with its in-kernel tests
#: make check    the part that looks at sources and symbols only
#: make soak     the long forms
#: make icount-record  takes the guest instructions that operations cost now as tests/icount/figures.txt
.PHONY: test selftest check soak demo icount-record
test: setup-quiet
	@$(MAKE) -s all
	@$(MAKE) -s linux-tools || echo "tests with Linux's RDMA stack will be skipped"
	@scripts/test
selftest: images
	@scripts/test selftest
check: images
	@scripts/test check
icount-record: images
	@tests/icount/instructions.py --record
soak: images host
	@scripts/test soak

#: make demo     boots the rack and shows an unmodified server on it, in both configurations
demo: setup-quiet
	@$(MAKE) -s images
	@scripts/demo

.PHONY: setup-quiet
setup-quiet:
	@scripts/setup -q
