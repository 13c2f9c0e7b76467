/* SPDX-License-Identifier: GPL-2.0-only */
/* Registration of this board's NICs at GNM: repeated, and at once when a link changes. */
#pragma once

#include "setup.h"

struct nsock;

/* In the loop. 0 or -ENOMEM. */
int __must_check register_start(struct nsock *ns, const struct eth_configs *eth,
				uint64_t incarnation);
