# SPDX-License-Identifier: GPL-2.0-only
# Small static programs of ours for the rack: build/user/NAME from user/NAME.c, glibc, as users build them.
USER_PROGS  := $(patsubst user/%.c,$(BUILD)/user/%,$(wildcard user/*.c))
USER_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -pthread

#: make user     the programs of user/, static, in build/user/
.PHONY: user
user: $(USER_PROGS)
$(BUILD)/user/%: user/%.c user/check.h
	@mkdir -p $(@D)
	@echo "  USER    $<"
	@$(CC) $(USER_CFLAGS) -static -o $@ $<
RAMFS_PROGRAMS += $(USER_PROGS)
