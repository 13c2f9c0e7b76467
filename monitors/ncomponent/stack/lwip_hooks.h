/* SPDX-License-Identifier: GPL-2.0-only */
/* lwIP's hooks that we use. */
#pragma once

#include "lwip/ip_addr.h"

struct pbuf;
struct tcp_pcb;
struct tcp_seg;
/* How large a segment may be queued; 0: nothing is known of the peer's window yet. */
u16_t stack_tcp_send_size(const struct tcp_pcb *pcb);
/* The head of the unsent queue, cut when it can never fit the window as it is. */
struct tcp_seg *stack_tcp_fit_head(struct tcp_pcb *pcb, u32_t wnd);
/* Remembers the MSS for the device that will cut this segment; returns opts. */
u32_t *stack_tcp_note_mss(const struct pbuf *p, const struct tcp_pcb *pcb, u32_t *opts);

/* Initial sequence number, RFC 6528. */
u32_t stack_tcp_isn(const ip_addr_t *local_ip, u16_t local_port, const ip_addr_t *remote_ip,
		    u16_t remote_port);
