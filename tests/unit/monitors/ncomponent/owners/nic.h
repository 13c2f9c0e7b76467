/* SPDX-License-Identifier: GPL-2.0-only */
/* A NIC on no wire: what is sent is gone, and nothing comes. It stands in for the drivers. */
#pragma once

#include <dev/netdev.h>

extern struct netdev nic_on_no_wire;
