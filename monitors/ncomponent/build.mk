# SPDX-License-Identifier: GPL-2.0-only
# lwIP, compiled with our options (stack/lwipopts.h) from the unpacked Debian source, once for the
# board and once for each kind of host program. Only stack/ sees its headers.

LWIP_FILES := $(addprefix src/core/,def.c inet_chksum.c init.c ip.c mem.c memp.c netif.c pbuf.c \
	raw.c stats.c sys.c tcp.c tcp_in.c tcp_out.c timeouts.c) \
	$(addprefix src/core/ipv4/,etharp.c icmp.c ip4.c ip4_addr.c ip4_frag.c) src/netif/ethernet.c
LWIP_INC   := -I$(LWIP_SRC)/src/include -Imonitors/ncomponent/stack -Imonitors/ncomponent
NSTACK     := monitors/ncomponent/stack

$(BUILD)/obj/$(NSTACK)/%.c.o: CFLAGS_monitors/ncomponent += $(LWIP_INC)
$(patsubst %,$(BUILD)/obj/%.o,$(wildcard $(NSTACK)/*.c)): | $(LWIP_STAMP)

LWIP_OBJS := $(LWIP_FILES:%=$(BUILD)/obj/lwip/%.o)
$(LWIP_OBJS): $(BUILD)/obj/lwip/%.o: $(LWIP_STAMP) $(NSTACK)/lwipopts.h $(NSTACK)/arch/cc.h \
		| $(INC_DIRS) $(UAPI_INC)
	@mkdir -p $(@D)
	@echo "  CC      lwip/$*"
	@$(CC) $(filter-out $(WARN),$(KCFLAGS)) -w $(INC_kernel) $(LWIP_INC) -MMD -MP -c $(LWIP_SRC)/$* -o $@
EXTRA_ncomponent := $(LWIP_OBJS)
# who edits the unpacked sources, to find something out, has them compiled
$(LWIP_SRC)/%: | $(LWIP_STAMP) ;
-include $(wildcard $(foreach d,$(BUILD) $(addprefix $(BUILD)/host,/ /san/ /fuzz/),$(LWIP_FILES:%=$(d)/obj/lwip/%.d)))

# ---- host programs ----
HOST_SRCS_monitors/ncomponent := $(filter-out monitors/ncomponent/main.c monitors/ncomponent/test.c,$(filter %.c,$(call \
	sources,monitors/ncomponent))) $(LWIP_FILES:%=lwip/%)
HOST_FLAGS_lwip_plain := -O2
HOST_FLAGS_lwip_san   := -fsanitize=address -O1
HOST_FLAGS_lwip_fuzz  := -fsanitize=address -O1

# $(1) variant, $(2) its folder
define lwip_host_rules
$(2)/obj/lwip/%.o: $(LWIP_STAMP) $(NSTACK)/lwipopts.h $(NSTACK)/arch/cc.h
	@mkdir -p $$(@D)
	@$$(HOST_CC_$(1)) -std=gnu11 -g -w -pthread -fno-omit-frame-pointer -fno-strict-aliasing -fno-common \
	  $$(HOST_FLAGS_lwip_$(1)) $(LWIP_INC) -MMD -MP -c $(LWIP_SRC)/$$* -o $$@
$(2)/obj/$(NSTACK)/%.c.o: HOST_CFLAGS_monitors/ncomponent += $(LWIP_INC)
$(patsubst %,$(2)/obj/%.o,$(wildcard $(NSTACK)/*.c)): | $(LWIP_STAMP)
endef
$(eval $(call lwip_host_rules,plain,$(BUILD)/host))
$(eval $(call lwip_host_rules,san,$(BUILD)/host/san))
$(eval $(call lwip_host_rules,fuzz,$(BUILD)/host/fuzz))

# A second instance: the same objects with every symbol of theirs prefixed, as a second core would link it.
STACK_B      := $(BUILD)/host/san/obj/stack_b.o
STACK_B_OBJS := $(patsubst %,$(BUILD)/host/san/obj/%.o,$(wildcard $(NSTACK)/*.c) $(LWIP_FILES:%=lwip/%))
$(STACK_B): $(STACK_B_OBJS)
	@echo "  HOSTLD  $@"
	@ld -r -o $@.tmp $^
	@nm -g --defined-only $@.tmp | awk '{ print $$3, "b_" $$3 }' > $@.syms
	@objcopy --redefine-syms=$@.syms $@.tmp $@
$(patsubst %.c,$(BUILD)/host/san/%,$(wildcard tests/unit/monitors/ncomponent/test_*.c)): $(STACK_B)

# A whole nComponent as one object, with every symbol of its own prefixed: tests/unit/monitors/ncomponent/whole.
N_WHOLE      := $(BUILD)/host/san/obj/n_whole.o
N_WHOLE_SIDE := $(patsubst %,$(BUILD)/host/san/obj/tests/unit/monitors/ncomponent/%.c.o,whole/side fitqueue owners/nic)
$(N_WHOLE_SIDE): HOST_CFLAGS_monitors/ncomponent += -Itests/sim
$(N_WHOLE): $(N_WHOLE_SIDE) $(patsubst %,$(BUILD)/host/san/obj/%.o,$(filter-out $(wildcard \
	monitors/ncomponent/*.c),$(HOST_SRCS_monitors/ncomponent)))
	@echo "  HOSTLD  $@"
	@ld -r -o $@.tmp $^
	@nm -g --defined-only $@.tmp | awk '{ print $$3, "n_" $$3 }' > $@.syms
	@objcopy --redefine-syms=$@.syms $@.tmp $@
$(BUILD)/host/san/tests/unit/monitors/pcomponent/credit/test_credit: $(N_WHOLE)
