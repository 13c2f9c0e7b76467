/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of stack/ only. */
#pragma once

#include "lwip/netif.h"
#include "lwip/pbuf.h"

#include <dev/netdev.h>
#include <kern/loop.h>
#include <kern/mm.h>

#include "stack/stack.h"

/*
 * The NIC has few buffers, and sockets may keep them for as long as nobody reads: above this,
 * frames are copied to the heap as they come, so that slow readers never stop the NIC for the
 * others.
 */
#define STACK_RX_HELD_MAX 192

#define MSS_MIN 48 /* net.ipv4.tcp_min_snd_mss of Linux: no peer makes us send bytes one by one */

/* A frame on its way out: the pbuf chain is referenced until the device is done with it. */
struct stack_tx {
	struct nettx tx;
	struct pbuf *p;
	struct stack *stack;
	struct stack_tx *next; /* free list */
};
/* A piece of a frame that came in, wrapped for lwIP. */
struct stack_rx {
	struct pbuf_custom pc; /* first: lwIP frees by this address */
	struct netbuf *nb;
	struct stack_rx *next; /* free list */
};

/* Segments of one connection that were joined and wait for more (gro.c). */
struct stack_gro {
	struct pbuf *head, *tail; /* head NULL: nothing */
	uint32_t bytes, next_seq;
	unsigned segments;
};
#define STACK_GRO_SLOTS 8 /* connections at once */

struct stack_nic {
	struct netif netif;        /* its state is this struct */
	struct stack *stack;
	struct netdev *dev;
	struct stack_tx *held;     /* built, waits for a companion or for the end of the round */
	bool tx_blocked;           /* the ring was full: tx_room() will come */
};

struct stack {
	struct stack_nic nic[STACK_NICS_MAX];
	unsigned nnics;
	struct loop *loop;
	struct loop_source source;
	struct stack_tx *tx_free;
	struct stack_rx *rx_free;
	unsigned rx_held;          /* buffers of the NIC that lwIP and the sockets keep */
	struct kmem_cache *tcp_cache, *udp_cache, *udp_tx_cache;
	struct stack_gro gro[STACK_GRO_SLOTS];
	unsigned gro_used;         /* slots that hold something */
	bool running;              /* the loop has entered us: from now on only it may */
	bool gso;                  /* the devices cut TCP segments */
	uint8_t ext_id;            /* lwIP's slot for struct stack_tcp in a PCB */
	uint64_t stats_at_ns;
};

struct ip_hdr;
struct tcp_hdr;
struct tcp_pcb;
struct tcp_pcb_listen;
struct tcp_seg;
struct tcp_hdr;

struct stack_tcp {
	struct stack *stack;
	struct tcp_pcb *pcb;
	const struct stack_tcp_ops *ops;
	void *arg;
	bool in_callback;
	bool free_after;   /* released or aborted inside a callback */
	bool abort_after;
	bool ticks;        /* the owner's tick() wants to be called */
	bool more;         /* the last write said that more follows: a piece of an MSS waits */
	bool urgent;       /* the peer has not acknowledged our urgent byte */
	uint32_t snd_up;   /* sequence number behind it */
	uint64_t held_ns;  /* since when; 0: nothing is held */
	uint16_t maxseg;   /* TCP_MAXSEG, or 0 */
	uint32_t user_timeout_ms;
	uint64_t progress_ns; /* the peer acknowledged something, or nothing was outstanding */
	int soft_error;    /* what ICMP said last: why a time-out came */
	uint64_t rtt_at_ns; /* when what is timed left; 0: nothing is */
	uint32_t rtt_end;  /* its end */
	uint32_t srtt_us, rttvar_us; /* RFC 6298; 0: not measured yet */
};

/* The one instance of this copy of the stack. */
struct stack *stack_instance(void);

/* The next NIC. */
int stack_netif_init(struct stack *s, const struct stack_config *cfg);
void stack_netif_flush(struct stack *s);
/* Nothing is held that the device could take. */
bool stack_netif_idle(const struct stack *s);
/* The NIC with this address (host order); NULL: not ours. */
struct stack_nic *stack_nic_of(struct stack *s, uint32_t ip);
/* Which checksums (NETIF_CHECKSUM_CHECK_*) lwIP verifies in the packets that follow. */
void stack_netif_checks(struct stack *s, u16_t checks);
/* To lwIP, which takes p over. */
void stack_netif_input(struct stack *s, struct pbuf *p);
/* A frame with a right checksum, at the Ethernet header: true: it is held, or joined to others. */
bool stack_gro_rx(struct stack *s, struct pbuf *p);
/* What is held goes to lwIP: before anything else does. */
void stack_gro_flush(struct stack *s);
int stack_errno(err_t e);
void stack_tcp_init(struct stack *s);
/* tcp_opt.c: lwIP's poll callback, every other tick; what changes what it looks at. */
err_t stack_tcp_poll(void *arg, struct tcp_pcb *pcb);
void stack_tcp_progress(struct stack_tcp *t);
/* tcp_urg.c: the header of a segment that leaves; one with an urgent pointer has come. */
void stack_tcp_urgent_out(const struct tcp_pcb *pcb, struct tcp_hdr *h, uint32_t len);
void stack_tcp_urgent_in(struct tcp_pcb *pcb, const struct tcp_hdr *h);
/* New bytes, or old ones, leave; some are acknowledged; one round trip took so long. */
void stack_tcp_time_segment(const struct tcp_pcb *pcb, uint32_t seq, uint32_t len);
void stack_tcp_time_acked(struct stack_tcp *t);
void stack_tcp_time_sample(struct stack_tcp *t, uint64_t ns);
void stack_tcp_apply_mss(struct stack_tcp *t);
/* timer.c: something happens to it; it enters a list of connections, or leaves it. */
void stack_timer_wake(struct tcp_pcb *p);
void stack_timer_enter(struct tcp_pcb *p);
void stack_timer_leave(struct tcp_pcb *p);
/* The owner's tick(), from within the poll callback. */
err_t stack_tcp_tick(struct stack_tcp *t);
/* The head of the unsent queue waits for more (TCP_CORK, MSG_MORE). */
bool stack_tcp_holds(struct tcp_pcb *pcb, const struct tcp_seg *seg);
/* Half-open connections of all listeners; of one of them there are n more. */
unsigned stack_half_open(void);
void stack_half_open_add(struct tcp_pcb_listen *l, int n);
/* The owner of the listener has no room for another connection. */
bool stack_listener_full(struct tcp_pcb_listen *l);
/* Connections that lwIP has, with those in TIME_WAIT. */
unsigned stack_tcp_connections(void);
/* The MSS by which the device cuts this segment (headers as on the wire); 0: not at all. */
uint16_t stack_gso_size(const struct ip_hdr *ip, const struct tcp_hdr *tcp, uint32_t payload);
/* A connection in TIME_WAIT holds the port; rigid: one without SOF_OWNER_REUSES. */
bool stack_port_waits(uint16_t port, bool rigid);
/* In a PCB's so_options, where lwIP has no use for the bit in TCP. */
#define SOF_OWNER_REUSES SOF_BROADCAST
/* The connection of these numbers (host order), or NULL. */
struct tcp_pcb *stack_tcp_find_named(uint32_t local, uint16_t lport, uint32_t remote,
				     uint16_t rport);
uint64_t stack_siphash2(const uint64_t key[2], uint64_t a, uint64_t b);
int stack_udp_init(struct stack *s);
int stack_icmp_init(struct stack *s);
/* p begins at the IP header; true: another ICMP error may be sent now. */
bool stack_icmp_may_send(void);
/* e is about a datagram, or a segment with sequence number seq, that left from local:port. */
void stack_udp_icmp(const struct stack_icmp *e, uint32_t local, uint16_t port);
void stack_tcp_icmp(const struct stack_icmp *e, uint32_t local, uint16_t port, uint32_t seq);
