/* SPDX-License-Identifier: GPL-2.0-only */
/* lwIP's hooks that we use. */
#pragma once

#include "lwip/ip_addr.h"

/* Initial sequence number, RFC 6528. */
u32_t stack_tcp_isn(const ip_addr_t *local_ip, u16_t local_port, const ip_addr_t *remote_ip,
		    u16_t remote_port);
