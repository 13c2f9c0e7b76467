# SPDX-License-Identifier: GPL-2.0-only
# The differential tests' programs: one static binary for a suite, run by Linux and by pComponents.
ABI_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Werror -Wno-unused-parameter \
              -Wno-nonnull -Wno-unused-result -Wno-stringop-overflow -Wno-stringop-overread -Wno-sign-compare -Wno-return-type -pthread
ABI_SUITES := $(patsubst tests/abi/%/,%,$(dir $(wildcard tests/abi/*/*.c)))
ABI_SUITES := $(sort $(ABI_SUITES))

#: make abi      the differential tests' programs, static, in build/abi/
.PHONY: abi
define abi_rules
$(BUILD)/abi/$(1)/%.o: tests/abi/$(1)/%.c tests/abi/abi.h $(wildcard tests/abi/$(1)/*.h)
	@mkdir -p $$(@D)
	@echo "  USER    $$<"
	@$(CC) $(ABI_CFLAGS) -Itests/abi -c $$< -o $$@
$(BUILD)/abi/abi-$(1): $(BUILD)/abi/abi.o \
		$(patsubst tests/abi/$(1)/%.c,$(BUILD)/abi/$(1)/%.o,$(wildcard tests/abi/$(1)/*.c))
	@$(CC) -static -pthread -o $$@ $$^
	@strip $$@
abi: $(BUILD)/abi/abi-$(1)
RAMFS_PROGRAMS += $(BUILD)/abi/abi-$(1)
endef
$(BUILD)/abi/abi.o: tests/abi/abi.c tests/abi/abi.h
	@mkdir -p $(@D)
	@echo "  USER    $<"
	@$(CC) $(ABI_CFLAGS) -Itests/abi -c $< -o $@
$(foreach s,$(ABI_SUITES),$(eval $(call abi_rules,$(s))))
