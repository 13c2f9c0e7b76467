/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A scripted pComponent (and its mComponent): just enough of a stub to drive Proxy and skeletons.
 */
#pragma once

#include <mon/sockpool.h>
#include <proto/sock.h>
#include <proto/sockmem.h>
#include "mockfit.h"

#define STUB_NODE 5
#define STUB_MNODE 7
#define STUB_POOL (1u << 20)
#define STUBS 64

struct stub {
	bool used, open, attached, closed, fin, wr_closed, hold;
	uint32_t gen;
	struct sock_handle skel;
	int status;            /* of the last call; -EINPROGRESS while it waits */
	uint16_t port;
	uint32_t ip;
	bool dma;
	int error;
	/* receive: compared with the pattern as it comes */
	uint64_t rx, rx_done, rx_fin_at, rx_window;
	/* transmit from the pattern */
	uint64_t tx, tx_goal, tx_done, tx_window;
	bool shut_after, close_after, shut_sent;
	struct sockpool_sock share, mshare;
	/* listener */
	unsigned accepted;
	uint64_t child_goal;   /* what each accepted connection sends */
	bool child_echo_close; /* accepted connections close when all is sent and FIN was seen */
	unsigned manual_accept; /* do not take connections: count them */
	struct sock_handle queue[16];
	unsigned nqueue;
};
extern struct stub stubs[STUBS];
extern const uint8_t *stub_pattern;

/* dma: what is sent goes by reference; what is held now; how fetches end. */
extern bool stub_holds;
extern unsigned stub_holds_left;
extern int stub_fetch_error;
/*
 * dma: descriptors of small records come before their bytes, or (never) these do not come; how
 * often a record of the board's came before its bytes.
 */
enum stub_early { STUB_LATE, STUB_EARLY, STUB_NEVER };
extern enum stub_early stub_early;
/* Each record lets some of what is unread be read, so that the next one's size may be any. */
extern bool stub_reads_some;
extern unsigned stub_early_again;

void stub_init(void);
/* All in the loop. */
int stub_hello(uint64_t incarnation);
struct stub *stub_open(bool bind, uint32_t ip, uint16_t port, uint32_t reuse, bool dma);
/*
 * OPEN that connects as well; the last `cut` bytes of the message are missing. status: -EINPROGRESS
 * until the event, or OPEN's own.
 */
/* Its reply is to wait for the end of the attempt; status: -EALREADY until the reply comes. */
extern bool stub_open_waits;
struct stub *stub_open_to(uint32_t ip, uint16_t port, uint32_t type, size_t cut, bool dma);
void stub_listen(struct stub *s, unsigned backlog);
void stub_connect(struct stub *s, uint32_t ip, uint16_t port);
void stub_send(struct stub *s, uint64_t goal);
void stub_pump(struct stub *s);
void stub_shutdown(struct stub *s, uint32_t how);
void stub_close(struct stub *s, bool reset);
void stub_consume(struct stub *s);
struct stub *stub_take(struct stub *listener, struct sock_handle skel);
/* The node is dead: it does nothing any more. */
void stub_die(void);
uint32_t stub_live(void); /* chunks of ours that the pools say are in use */
struct proto_mr stub_tx_mr(void);
