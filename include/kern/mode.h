/* SPDX-License-Identifier: GPL-2.0-only */
/* S_IF*, S_IS*: from Linux's UAPI in a monitor; the C library hides those, and has the same. */
#pragma once

#ifdef HOST_BUILD
#include <sys/stat.h>
#else
#include <linux/stat.h>
#endif
