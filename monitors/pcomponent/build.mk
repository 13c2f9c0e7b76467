# SPDX-License-Identifier: GPL-2.0-only
# Sources that also build as Linux programs, for unit tests.
HOST_SRCS_monitors/pcomponent := monitors/pcomponent/excache/grants.c
