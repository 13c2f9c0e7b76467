# SPDX-License-Identifier: GPL-2.0-only
# Sources that also build as Linux programs, for unit tests.
HOST_SRCS_monitors/pcomponent := monitors/pcomponent/excache/grants.c

# The vDSO: a shared object for user mode, carried in the image by embed.S.
VDSO := $(BUILD)/obj/vdso.so
LEAVE_OUT_pcomponent += monitors/pcomponent/vdso/image.c
CFLAGS_monitors/pcomponent = -DVDSO_FILE='"$(VDSO)"'
$(BUILD)/obj/monitors/pcomponent/vdso/embed.S.o: $(VDSO)
$(VDSO): monitors/pcomponent/vdso/image.c monitors/pcomponent/vdso/vdso.h \
	monitors/pcomponent/vdso/vdso.lds
	@mkdir -p $(@D)
	@echo "  VDSO    $@"
	@$(CC) -std=gnu11 -O2 $(WARN) -fPIC -fvisibility=default -ffreestanding -nostdinc \
	  -isystem $(GCC_INC) -I$(BUILD)/inc/uapi -fno-stack-protector -fcf-protection=none \
	  -fasynchronous-unwind-tables -shared -nostdlib -Wl,-T,monitors/pcomponent/vdso/vdso.lds \
	  -Wl,-soname=linux-vdso.so.1 -Wl,--hash-style=both -Wl,--build-id=none -Wl,-Bsymbolic \
	  -Wl,--eh-frame-hdr -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,-s -o $@ $<
