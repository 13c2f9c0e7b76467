/* SPDX-License-Identifier: GPL-2.0-only */
/* lwIP's hooks that we use. */
#pragma once

#include "lwip/ip_addr.h"

#include "lwip/arch.h"
#include "lwip/err.h"

struct pbuf;
struct tcp_pcb;
struct tcp_seg;
/* How large a segment may be queued; 0: nothing is known of the peer's window yet. */
u16_t stack_tcp_send_size(const struct tcp_pcb *pcb);
/* The head of the unsent queue, cut when it can never fit the window as it is; NULL: it waits. */
struct tcp_seg *stack_tcp_fit_head(struct tcp_pcb *pcb, u32_t wnd);
struct tcp_hdr;
/* A segment leaves and is timed; its urgent pointer is put there. Returns opts. */
u32_t *stack_tcp_segment(const struct pbuf *p, struct tcp_hdr *h,
			 const struct tcp_pcb *pcb, u32_t *opts);

/* ERR_OK; else the segment is dropped: its owner has no memory for its bytes. */
err_t stack_tcp_admit(const struct tcp_pcb *pcb, const struct pbuf *p);

/* lookup.c: the hash of connections, kept by TCP_REG, TCP_RMV and tcp_free(). */
void stack_tcp_linked(struct tcp_pcb **list, struct tcp_pcb *p);
void stack_tcp_unlinked(struct tcp_pcb *p);
struct tcp_pcb_listen;
struct tcp_hdr;
/* Whose the segment is that is being received (h in host order); NULL: nobody's. */
struct tcp_pcb *stack_tcp_find(const struct tcp_hdr *h, int time_wait);
struct tcp_pcb_listen *stack_tcp_listener(const struct tcp_hdr *h);

/* The four numbers are a connection's already. */
int stack_tcp_taken(const struct tcp_pcb *p, const ip_addr_t *to, u16_t port);

/* timer.c: a slow or a fast tick begins; the next connection, or one in TIME_WAIT, to look at. */
void stack_timer_slow(void);
void stack_timer_fast(void);
struct tcp_pcb *stack_timer_next(int time_wait);
/* p was put at the head of the list; p leaves the list it is on. */
void stack_list_enter(struct tcp_pcb **list, struct tcp_pcb *p);
void stack_list_leave(struct tcp_pcb *p);

/* acceptable.c: 0: the segment changes nothing; len counts SYN and FIN. */
int stack_tcp_acceptable(struct tcp_pcb *p, const struct tcp_hdr *h, u8_t flags, u16_t len);
u16_t stack_tcp_offered_mss(u16_t mss);

/* rtt.c: a round trip took so many ticks. */
void stack_tcp_rtt(struct tcp_pcb *p, s16_t ticks);
/* 0: it is sent once more, and says nothing of the round trip. */
int stack_tcp_rtt_first(const struct tcp_pcb *p, u32_t seq);
void stack_tcp_rtt_syn(struct tcp_pcb *p);

/* syncookie.c: not 0: the SYN was dealt with, or dropped. */
int stack_tcp_syn(struct tcp_pcb_listen *l, const struct tcp_hdr *h, u32_t seqno);
/* A connection made of the ACK of a cookie, in SYN_RCVD, or NULL. */
struct tcp_pcb *stack_tcp_cookie_ack(struct tcp_pcb_listen *l, const struct tcp_hdr *h,
				     u8_t flags, u32_t seqno, u32_t ackno);
/* The handshake's last ACK finds no room: it is as if it had not come. */
int stack_tcp_accept_waits(const struct tcp_pcb *p);
/* The ACK was a cookie's and there is no room: no RST. */
int stack_tcp_cookie_dropped(void);

struct netif;
/* By which NIC a packet leaves: the one that has src (NULL: none yet). NULL: as lwIP finds. */
struct netif *stack_route(const ip4_addr_t *src, const ip4_addr_t *dest);

/* Initial sequence number, RFC 6528. */
u32_t stack_tcp_isn(const ip_addr_t *local_ip, u16_t local_port, const ip_addr_t *remote_ip,
		    u16_t remote_port);
