# SPDX-License-Identifier: GPL-2.0-only
HOST_SRCS_monitors/scomponent := $(filter-out %/main.c %/test.c, \
	$(wildcard monitors/scomponent/*.c monitors/scomponent/p9/*.c))
