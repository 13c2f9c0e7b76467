# SPDX-License-Identifier: GPL-2.0-only
# The mComponent's ramfs. Included last, when the other folders have said what goes in:
# RAMFS_PROGRAMS, static programs of ours that become /bin/NAME.

#: make ramfs    the archive with busybox, pages and our programs, build/ramfs.cpio
RAMFS := $(BUILD)/ramfs.cpio
.PHONY: ramfs
ramfs: $(RAMFS)
images: $(RAMFS)
$(RAMFS): scripts/mkramfs scripts/racklib/cpio.py /bin/busybox $(RAMFS_PROGRAMS)
	@echo "  CPIO    $@"
	@mkdir -p $(@D)
	@scripts/mkramfs $@ $(BUILD)/www $(RAMFS_PROGRAMS)
