# SPDX-License-Identifier: GPL-2.0-only
# One make for everything: `make demo` runs the main job, `make test` every test. `make help` lists.
include config.mk

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

BOARDS := manager pcomponent mcomponent ncomponent scomponent
IMAGES := $(BOARDS:%=$(BUILD)/%.elf)

.PHONY: all images host help clean
all: images host
images: $(IMAGES)

help:
	@sed -n 's/^#: //p' $(MAKEFILE_LIST)

#: make images   the monitors, one ELF a board, in build/
#: make host     unit tests and tools built as Linux programs, in build/host/
#: make clean    removes build/

# ---- what may include what: each folder sees only these header roots --------------------------
# build/inc/<root>/<root>/ is a link to the folder, so that the include says where it comes from.
ROOTS      := kern dev proto
INC_DIRS   := $(foreach r,$(ROOTS),$(BUILD)/inc/$(r)/$(r)) $(BUILD)/inc/fit/fit $(BUILD)/inc/mon/mon
UAPI_FILES := linux asm-generic asm mtd rdma sys/queue.h bsd/sys/tree.h uthash.h utlist.h
UAPI_INC   := $(UAPI_FILES:%=$(BUILD)/inc/uapi/%)

see = $(foreach r,$(1),-I$(BUILD)/inc/$(r))
INC_kernel                := $(call see,kern)
INC_drivers               := $(call see,kern dev)
INC_fit                   := $(call see,kern dev proto fit)
INC_managers              := $(call see,kern proto fit mon)
INC_monitors/common       := $(call see,kern dev proto fit mon)
INC_monitors/pcomponent   := $(call see,kern dev proto fit mon)
INC_monitors/mcomponent   := $(call see,kern dev proto fit mon)
INC_monitors/ncomponent   := $(call see,kern dev proto fit mon)
INC_monitors/scomponent   := $(call see,kern dev proto fit mon)

# ---- which folders make which image -----------------------------------------------------------
PARTS_common     := kernel drivers fit monitors/common
PARTS_manager    := $(PARTS_common) managers
PARTS_pcomponent := $(PARTS_common) monitors/pcomponent
PARTS_mcomponent := $(PARTS_common) monitors/mcomponent
PARTS_ncomponent := $(PARTS_common) monitors/ncomponent
PARTS_scomponent := $(PARTS_common) monitors/scomponent
ALL_PARTS        := $(PARTS_common) managers monitors/pcomponent monitors/mcomponent monitors/ncomponent \
                    monitors/scomponent

# What of the common parts a board has no use for: user mode, socket memory, 9P.
LEAVE_OUT_manager    := kernel/arch/x86_64/uspace/% $(addprefix monitors/common/,sockpool.c early.c lease.c) drivers/virtio/9p.c
LEAVE_OUT_pcomponent := drivers/virtio/9p.c monitors/common/lease.c
LEAVE_OUT_mcomponent := kernel/arch/x86_64/uspace/% $(addprefix monitors/common/,sockpool.c early.c lease.c) drivers/virtio/9p.c
LEAVE_OUT_ncomponent := kernel/arch/x86_64/uspace/% drivers/virtio/9p.c
LEAVE_OUT_scomponent := kernel/arch/x86_64/uspace/% $(addprefix monitors/common/,sockpool.c early.c)

sources = $(shell find $(1) -name '*.c' -o -name '*.S' 2>/dev/null | sort)
objects = $(patsubst %,$(BUILD)/obj/%.o,$(1))
# the objects of an image
image_sources = $(filter-out $(LEAVE_OUT_$(1)),$(call sources,$(PARTS_$(1))))

# What all images have of the common parts is compiled as one: its small functions are called from everywhere, and
# under an emulator a call, most of all to another page, is dear. The names stay. Apart: the string functions, as
# the compiler calls them of its own accord, and main.c, whose board_main() gives way to an image's own.
APART    := %.S kernel/lib/string.c kernel/main.c
AS_ONE   := $(filter-out $(APART) $(foreach b,$(BOARDS),$(LEAVE_OUT_$(b))),$(call sources,$(PARTS_common)))
AS_ONE_O := $(BUILD)/obj/common.o
image_objects = $(AS_ONE_O) $(call objects,$(filter-out $(AS_ONE),$(call image_sources,$(1))))

GCC_INC := $(shell $(CC) -print-file-name=include)
WARN    := -Wall -Wextra -Werror -Wno-unused-parameter -Wmissing-prototypes -Wstrict-prototypes \
           -Wshadow=local -Wvla
KCFLAGS := -std=gnu11 $(OPT) -g $(WARN) -ffreestanding -nostdinc -isystem $(GCC_INC) \
           -I$(BUILD)/inc/uapi -Ikernel/compat -DDEBUG=$(DEBUG) \
           -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-pic -fno-stack-protector \
           -fno-omit-frame-pointer -fno-optimize-sibling-calls -fcf-protection=none \
           -fno-strict-aliasing -fno-asynchronous-unwind-tables -fno-common

$(BUILD)/inc/kern/kern:  ; @mkdir -p $(@D) && ln -sfn $(CURDIR)/include/kern $@
$(BUILD)/inc/dev/dev:    ; @mkdir -p $(@D) && ln -sfn $(CURDIR)/include/dev $@
$(BUILD)/inc/proto/proto:; @mkdir -p $(@D) && ln -sfn $(CURDIR)/include/proto $@
$(BUILD)/inc/fit/fit:    ; @mkdir -p $(@D) && ln -sfn $(CURDIR)/fit $@
$(BUILD)/inc/mon/mon:    ; @mkdir -p $(@D) && ln -sfn $(CURDIR)/monitors/common $@
# headers that Linux and the C library publish and that work without a C library
$(BUILD)/inc/uapi/%:
	@mkdir -p $(@D)
	@for d in /usr/include /usr/include/x86_64-linux-gnu; do \
	  if [ -e $$d/$* ]; then ln -sfn $$d/$* $@; fi; done; \
	  [ -e $@ ] || { echo "missing header $*: run scripts/setup" >&2; exit 1; }

define part_rules
$(BUILD)/obj/$(1)/%.c.o: $(1)/%.c | $(INC_DIRS) $(UAPI_INC)
	@mkdir -p $$(@D)
	@echo "  CC      $$<"
	@$(CC) $(KCFLAGS) $(INC_$(1)) -I$(1) $$(CFLAGS_$(1)) -MMD -MP -c $$< -o $$@
$(BUILD)/obj/$(1)/%.S.o: $(1)/%.S | $(INC_DIRS) $(UAPI_INC)
	@mkdir -p $$(@D)
	@echo "  AS      $$<"
	@$(CC) $(KCFLAGS) -D__ASSEMBLY__ $(INC_$(1)) -I$(1) $$(CFLAGS_$(1)) -MMD -MP -c $$< -o $$@
-include $$(shell find $(BUILD)/obj/$(1) -name '*.d' 2>/dev/null)
endef
$(foreach p,$(sort $(ALL_PARTS)),$(eval $(call part_rules,$(p))))

$(foreach p,$(PARTS_common),$(eval $(call objects,$(AS_ONE)): CFLAGS_$(p) += -flto))
$(call objects,$(AS_ONE)): Makefile
$(AS_ONE_O): $(call objects,$(AS_ONE))
	@echo "  LTO     $@"
	@$(CC) $(KCFLAGS) -flto=2 -flinker-output=nolto-rel -r -nostdlib -o $@ $^

# before the images, whose prerequisites they name (EXTRA_<image>)
-include scripts/build.mk $(wildcard monitors/*/build.mk monitors/*/*/build.mk) \
	linux/build.mk tests/fuzz/build.mk tests/abi/build.mk user/build.mk bench/build.mk scripts/ramfs.mk

# Two links: the first gives the addresses for the symbol table that panics print names from.
LDS := kernel/arch/x86_64/kernel.lds
define image_rules
$(BUILD)/obj/$(1).elf.1: $$(call image_objects,$(1)) $$(EXTRA_$(1)) $(LDS)
	@$(CC) -nostdlib -static -no-pie -Wl,-T,$(LDS) -Wl,--build-id=none -Wl,-z,noexecstack \
	  -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments -o $$@ $$(filter %.o %.a,$$^)
$(BUILD)/obj/$(1).ksyms.S: $(BUILD)/obj/$(1).elf.1 scripts/ksyms.py
	@nm -n $$< | python3 scripts/ksyms.py > $$@
$(BUILD)/$(1).elf: $(BUILD)/obj/$(1).ksyms.S
	@echo "  LINK    $$@"
	@$(CC) -c $(BUILD)/obj/$(1).ksyms.S -o $(BUILD)/obj/$(1).ksyms.o
	@$(CC) -nostdlib -static -no-pie -Wl,-T,$(LDS) -Wl,--build-id=none -Wl,-z,noexecstack \
	  -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments -o $$@ \
	  $$(call image_objects,$(1)) $$(EXTRA_$(1)) $(BUILD)/obj/$(1).ksyms.o
endef
$(foreach b,$(BOARDS),$(eval $(call image_rules,$(b))))

clean:
	rm -rf $(BUILD)
