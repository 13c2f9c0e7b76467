# SPDX-License-Identifier: GPL-2.0-only
# Small static programs of ours for the rack: build/user/NAME from user/NAME.c, glibc, as users
# build them.
# (the C library's names are looked up by what it loads: no static resolve)
USER_PROGS  := $(patsubst user/%.c,$(BUILD)/user/%,$(filter-out user/resolve.c,$(wildcard user/*.c)))
USER_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -pthread

#: make user     the programs of user/, static, in build/user/
.PHONY: user
user: $(USER_PROGS)
$(BUILD)/user/%: user/%.c user/check.h user/results.h
	@mkdir -p $(@D)
	@echo "  USER    $<"
	@$(CC) $(USER_CFLAGS) -static -o $@ $<
RAMFS_PROGRAMS += $(USER_PROGS)

# The same sources as dynamic programs: an interpreter is loaded, libraries are mapped.
USER_DYNAMIC := $(patsubst %,$(BUILD)/user/dyn-%,hello resolve basics threads signals exec)
$(BUILD)/user/dyn-%: user/%.c user/check.h user/results.h
	@mkdir -p $(@D)
	@echo "  USER    $< (dynamic)"
	@$(CC) $(USER_CFLAGS) -o $@ $<
RAMFS_PROGRAMS += $(USER_DYNAMIC)
user: $(USER_DYNAMIC)

# what the loader must refuse: a dynamic program whose interpreter is not there
$(BUILD)/user/dynamic: user/hello.c user/check.h
	@mkdir -p $(@D)
	@echo "  USER    $< (interpreter missing)"
	@$(CC) $(USER_CFLAGS) -Wl,--dynamic-linker=/lib64/no-such-ld.so -o $@ $<
RAMFS_PROGRAMS += $(BUILD)/user/dynamic
