# SPDX-License-Identifier: GPL-2.0-only
# Host side: kernel-style sources as Linux programs, against the kernel API of linux/.
#
#   build/host/san/libX.a   X = kern fit managers common pcomponent mcomponent ncomponent scomponent; ASan + UBSan
#   build/host/libX.a       the same without sanitizers, for tools that run for real
#   tests/unit/D/test_Y.c   becomes build/host/san/tests/unit/D/test_Y; the part that D lies in
#                           (longest match of HOST_PARTS) gives include paths and libraries; other
#                           .c files in the same folder are linked to every test there, and
#                           those of other folders in HOST_HELPERS_<part>
#
# Which sources of a part are portable: all but HOST_EXCLUDE_<part> (patterns), or exactly
# HOST_SRCS_<part> when that is set; the monitors name theirs in monitors/X/build.mk. More libraries for
# a part's tests: HOST_LDLIBS_<part>. A program: $(eval $(call host_program,NAME,SOURCES,PART)) gives
# build/host/NAME and build/host/san/NAME with the libraries of PART.

HOST_PARTS := kernel fit fit/softroce fit/lossy tests/sim tests/fuzz tests/fuzz/p9 tests/fuzz/skel tests/fuzz/stub managers monitors/common monitors/pcomponent monitors/pcomponent/credit \
              monitors/mcomponent monitors/ncomponent monitors/ncomponent/owners monitors/scomponent

HOST_SRCS_kernel := $(wildcard linux/*.c) \
	$(addprefix kernel/sched/,wait.c mutex.c workq.c loop.c timer.c) \
	$(addprefix kernel/lib/,parse.c cmdline.c counter.c random.c) \
	$(addprefix kernel/debug/,log.c ktest.c trace.c)
HOST_EXCLUDE_fit            ?=
HOST_EXCLUDE_managers       ?= managers/main.c
HOST_EXCLUDE_monitors/common ?=
# tests/unit/fit/softroce and lossy are linked with the simulated rack in place of linux/'s clock and threads
HOST_SRCS_fit/softroce :=
HOST_SRCS_fit/lossy :=
INC_fit/softroce := $(INC_fit)
INC_fit/lossy := $(INC_fit)
INC_tests/sim := $(INC_fit)
INC_tests/fuzz := $(INC_fit)
HOST_SRCS_tests/fuzz := tests/fuzz/frame.c
INC_tests/fuzz/p9 := $(INC_fit)
HOST_SRCS_tests/fuzz/p9 :=
# two owners and a board on the simulated clock
INC_monitors/ncomponent/owners = $(INC_monitors/ncomponent)
HOST_SRCS_monitors/ncomponent/owners :=
# a stub, and an nComponent as one object (monitors/ncomponent/build.mk), on the simulated clock
INC_monitors/pcomponent/credit = $(INC_monitors/pcomponent)
HOST_SRCS_monitors/pcomponent/credit :=
INC_tests/fuzz/skel = $(INC_monitors/ncomponent)
HOST_SRCS_tests/fuzz/skel :=
INC_tests/fuzz/stub = $(INC_monitors/pcomponent)
HOST_SRCS_tests/fuzz/stub :=
HOST_SRCS_monitors/pcomponent ?=
HOST_SRCS_monitors/mcomponent ?=
HOST_SRCS_monitors/ncomponent ?=
HOST_SRCS_monitors/scomponent ?=

# libraries a part's programs link with, its own first
HOST_LIBS_kernel              := kern
HOST_LIBS_fit                 := fit kern
HOST_LIBS_fit/softroce        := sim fit kern
HOST_CFLAGS_fit/softroce      := -Itests/sim
HOST_LIBS_fit/lossy           := sim fit kern
HOST_CFLAGS_fit/lossy         := -Itests/sim
HOST_LIBS_tests/sim           := sim fit kern
HOST_LIBS_tests/fuzz          := fuzz sim fit kern
HOST_CFLAGS_tests/fuzz        := -Itests/sim -Itests/unit/fit/softroce -Itests/unit/fit/rpc -Ifit/softroce
HOST_LIBS_tests/fuzz/p9       := scomponent common fit kern
HOST_CFLAGS_tests/fuzz/p9     := -Imonitors/scomponent -Itests/unit/monitors/scomponent
HOST_LIBS_monitors/ncomponent/owners := ncomponent common sim kern
HOST_CFLAGS_monitors/ncomponent/owners := -Itests/sim -Imonitors/ncomponent
HOST_HELPERS_monitors/ncomponent/owners := tests/unit/monitors/ncomponent/fitqueue.c
HOST_LIBS_monitors/pcomponent/credit := pcomponent common sim kern
HOST_CFLAGS_monitors/pcomponent/credit := -Itests/sim -Imonitors/pcomponent
HOST_HELPERS_monitors/pcomponent/credit := tests/unit/monitors/ncomponent/fitqueue.c \
	tests/unit/monitors/pcomponent/net/uio.c
HOST_LIBS_tests/fuzz/skel     := $(HOST_LIBS_monitors/ncomponent/owners)
HOST_CFLAGS_tests/fuzz/skel   := $(HOST_CFLAGS_monitors/ncomponent/owners) -Itests/unit/monitors/ncomponent/owners
HOST_LIBS_tests/fuzz/stub     := pcomponent common fit kern
HOST_CFLAGS_tests/fuzz/stub   := -Imonitors/pcomponent -Itests/unit/monitors/pcomponent/net
HOST_LIBS_managers            := managers common fit kern
HOST_LIBS_monitors/common     := common fit kern
HOST_LIBS_monitors/pcomponent := pcomponent common fit kern
HOST_LIBS_monitors/mcomponent := mcomponent common fit kern
HOST_LIBS_monitors/ncomponent := ncomponent common fit kern
# without FIT, which its tests play
HOST_LIBS_monitors/scomponent := scomponent common fit kern

include linux/tools.mk

HOST_LIB_kernel := kern
host_lib  = $(or $(HOST_LIB_$(1)),$(notdir $(1)))
host_srcs = $(if $(filter undefined,$(origin HOST_SRCS_$(1))),$(filter-out \
	$(HOST_EXCLUDE_$(1)),$(filter %.c,$(call sources,$(1)))),$(HOST_SRCS_$(1)))

HOST_CFLAGS := -std=gnu11 -g -O1 $(WARN) -D_GNU_SOURCE -DHOST_BUILD -DDEBUG=$(DEBUG) -fno-strict-aliasing -Wno-format-truncation \
               -fno-omit-frame-pointer -fno-common -pthread -Ilinux
HOST_FLAGS_san   := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-sanitize=alignment
HOST_FLAGS_plain := -O2
HOST_DIR_san     := $(BUILD)/host/san
# tests/fuzz/build.mk: clang, which does not know all of gcc's warnings
HOST_FLAGS_fuzz  := $(HOST_FLAGS_san) -fsanitize=fuzzer-no-link -Wno-unknown-warning-option -Wno-shadow -Wno-error
HOST_DIR_plain   := $(BUILD)/host
HOST_DIR_fuzz    := $(BUILD)/host/fuzz
HOST_CC_plain    := $(CC)
HOST_CC_san      := $(CC)
HOST_CC_fuzz     := clang
HOST_VARIANTS    := plain san fuzz

# $(1) part, $(2) variant: objects of the part's sources and of its tests, and the archive.
define host_part_rules
$(HOST_DIR_$(2))/obj/$(1)/%.c.o: $(1)/%.c | $(INC_DIRS)
	@mkdir -p $$(@D)
	@echo "  HOSTCC  $$< ($(2))"
	@$(HOST_CC_$(2)) $(HOST_CFLAGS) $(HOST_FLAGS_$(2)) $(INC_$(1)) -I$(1) $$(HOST_CFLAGS_$(1)) -MMD -MP -c $$< -o $$@
$(HOST_DIR_$(2))/obj/tests/unit/$(1)/%.c.o: tests/unit/$(1)/%.c | $(INC_DIRS)
	@mkdir -p $$(@D)
	@echo "  HOSTCC  $$< ($(2))"
	@$(HOST_CC_$(2)) $(HOST_CFLAGS) $(HOST_FLAGS_$(2)) $(INC_$(1)) -I$(1) $$(HOST_CFLAGS_$(1)) -MMD -MP -c $$< -o $$@
$(HOST_DIR_$(2))/lib$(call host_lib,$(1)).a: \
	$(patsubst %,$(HOST_DIR_$(2))/obj/%.o,$(call host_srcs,$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	@ar rcsD $$@ $$^
endef
$(foreach v,$(HOST_VARIANTS),$(foreach p,$(HOST_PARTS),$(eval $(call host_part_rules,$(p),$(v)))))

define host_linux_rules
$(HOST_DIR_$(1))/obj/linux/%.c.o: linux/%.c | $(INC_DIRS)
	@mkdir -p $$(@D)
	@echo "  HOSTCC  $$< ($(1))"
	@$(HOST_CC_$(1)) $(HOST_CFLAGS) $(HOST_FLAGS_$(1)) $(INC_kernel) -Ikernel -MMD -MP -c $$< -o $$@
endef
$(foreach v,$(HOST_VARIANTS),$(eval $(call host_linux_rules,$(v))))
-include $(shell find $(BUILD)/host -name '*.d' 2>/dev/null)

# $(1) output below the variant's folder, $(2) sources, $(3) part, $(4) variant, $(5) more libraries
define host_link
$(HOST_DIR_$(4))/$(1): $(patsubst %,$(HOST_DIR_$(4))/obj/%.o,$(2)) \
		$(HOST_LIBS_$(3):%=$(HOST_DIR_$(4))/lib%.a)
	@mkdir -p $$(@D)
	@echo "  HOSTLD  $$@"
	@$(HOST_CC_$(4)) $(HOST_FLAGS_$(4)) -pthread -o $$@ $$(filter %.o,$$^) \
	  -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(HOST_LDLIBS_$(3)) $(5)
endef
host_program = $(foreach v,$(HOST_VARIANTS),$(call host_link,$(1),$(2),$(3),$(v),)$(newline))$(newline)host: $(BUILD)/host/$(1)

define newline


endef

$(eval $(call host_link,fitctl,$(addprefix linux/tools/,fitctl.c transfer.c members.c) \
	$(LINUX_BOARD_SRCS),linux/tools,plain,))
$(eval $(call host_link,fit-managers,linux/tools/fit_managers.c managers/main.c \
	$(LINUX_BOARD_SRCS),linux/tools,plain,))

# ---- unit tests: every tests/unit/**/test_*.c ---------------------------------------------------
TEST_SRCS  := $(sort $(shell find tests/unit -name 'test_*.c' 2>/dev/null))
HOST_TESTS := $(TEST_SRCS:%.c=$(HOST_DIR_san)/%)
# The part with the longest name that the path begins with.
test_part    = $(lastword $(sort $(foreach p,$(HOST_PARTS),$(if $(filter tests/unit/$(p)/%,$(1)),$(p)))))
test_helpers = $(filter-out $(dir $(1))test_%,$(wildcard $(dir $(1))*.c)) $(HOST_HELPERS_$(call test_part,$(1)))
$(foreach t,$(TEST_SRCS),$(eval $(call host_link,$(t:%.c=%),$(t) $(call test_helpers,$(t)),$(call \
	test_part,$(t)),san,-lcmocka)))

host: $(HOST_TESTS)

#: make unit     runs all host tests (ASan + UBSan); T=word runs those whose path has it
.PHONY: unit
UNIT_TESTS := $(if $(T),$(foreach t,$(HOST_TESTS),$(if $(findstring $(T),$(t)),$(t))),$(HOST_TESTS))
unit: $(UNIT_TESTS)
	@tests/unit/run $(UNIT_TESTS)
