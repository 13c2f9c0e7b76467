/* SPDX-License-Identifier: GPL-2.0-only */
/* What programs read about the network. Thread context. */
#pragma once

#include <proto/gnm.h>

/* The files of /proc/net; at boot. */
void proc_net_init(void);
void proc_stat_init(void);
/* The rack's NICs, the caller's (kfree); none when the manager is away. NULL: no memory. */
struct gnm_list *net_nics(void);
