# SPDX-License-Identifier: GPL-2.0-only
HOST_SRCS_monitors/mcomponent := $(filter-out %/main.c,$(wildcard monitors/mcomponent/*.c))
