# SPDX-License-Identifier: GPL-2.0-only
# libFuzzer programs: tests/fuzz/fuzz_X.c becomes build/host/fuzz/X.

FUZZ_frames := tests/unit/fit/softroce/pair.c
FUZZ_cm     := tests/unit/fit/softroce/pair.c
FUZZ_fit    := tests/unit/fit/rpc/mock_verbs.c
FUZZ        := frames cm fit

$(foreach f,$(FUZZ),$(eval $(call host_link,$(f),tests/fuzz/fuzz_$(f).c $(FUZZ_$(f)),tests/fuzz,fuzz,\
	-fsanitize=fuzzer -lcmocka)))

# The sComponent is a part of its own: the real threads, and the FIT of its unit tests.
$(eval $(call host_link,p9,tests/fuzz/p9/fuzz_p9.c \
	tests/unit/monitors/scomponent/client.c,tests/fuzz/p9,fuzz,-fsanitize=fuzzer))

# So are Proxy and skeletons, on the simulated clock, with FIT and another owner played by those of unit tests.
$(eval $(call host_link,skel,$(addprefix tests/fuzz/skel/,fuzz_skel.c messages.c) \
	$(addprefix tests/unit/monitors/ncomponent/,fitqueue.c owners/world.c owners/nic.c \
	owners/owner_b.c),tests/fuzz/skel,fuzz,-fsanitize=fuzzer))

# And the stub's core, with FIT played by the fake of its unit tests.
$(eval $(call host_link,stub,$(addprefix tests/fuzz/stub/,fuzz_stub.c program.c owner_b.c) \
	$(addprefix tests/unit/monitors/pcomponent/net/,fake.c uio.c),tests/fuzz/stub,fuzz,-fsanitize=fuzzer -lcmocka))

#: make fuzz     builds the fuzz targets; tests/fuzz/run runs them
.PHONY: fuzz
fuzz: $(HOST_DIR_fuzz)/p9 $(HOST_DIR_fuzz)/skel $(HOST_DIR_fuzz)/stub $(FUZZ:%=$(HOST_DIR_fuzz)/%)
