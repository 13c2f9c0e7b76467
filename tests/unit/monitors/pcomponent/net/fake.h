/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * FIT as the stub's core sees it, played by the test: GNM and Proxies answer calls at once,
 * except connect, which waits for the test; one-way messages and transfers are kept for the test
 * to look at; the test speaks for the skeletons. Everything runs in the calling thread.
 */
#pragma once

#include <fit/fit.h>
#include <proto/join.h>

#include "net/event.h"

#define NODE_N 4            /* an nComponent, and a second one */
#define NODE_N2 5
#define NODE_M 3            /* an mComponent */
#define NODE_SELF 8         /* this board */
#define NODE_P 9            /* another pComponent */
#define FAKE_POOL (1u << 20) /* what a Proxy offers */

struct fake_msg {
	fit_node_t node;
	uint16_t op;
	uint8_t data[128];
	size_t len;
};
struct fake {
	unsigned places;             /* nComponents that hold the wildcard: 1 or 2 */
	uint32_t next_skel;
	uint16_t taken_port[8];      /* on NODE_N2: EADDRINUSE */
	uint16_t next_port;
	unsigned hellos, opens, gnm_calls, setopts;
	uint64_t holds;              /* on NODE_M; any bytes are there */
	void (*on_hold)(void);       /* what happens meanwhile */
	struct sock_handle last_stub; /* of the last OPEN or ATTACH */
	int open_error, hello_error;
	struct fake_msg sent[512];   /* one-way messages */
	unsigned nsent;
	struct fit_xfer *xfer[512];  /* not yet completed, oldest first */
	unsigned nxfers;
	struct fit_call *connect;    /* not yet answered */
	fit_node_t connecting_node;
	struct sock_handle connecting, connecting_skel; /* asked for with OPEN, no event yet */
	bool event_first;            /* the event comes before OPEN's reply */
	bool open_ends;              /* the reply tells the end, where it may: */
	int open_ended;              /* 0 or -errno */
	bool canceled;
	uint8_t *tx_pool[2];         /* of NODE_N and NODE_N2 */
	uint8_t *sm_tx, *sm_rx;      /* socket memory on NODE_M */
	struct { uint8_t *mem; uint32_t len; } pool[16]; /* of this board, by who writes there */
	fit_node_t route;            /* what GNM says first; 0: NODE_N */
	void *rx_pool;               /* the one of NODE_N, or of NODE_P */
	uint32_t rx_len;
	uint32_t rx_off;             /* where the next record goes */
	bool local;                  /* GNM: every address is the rack's */
	fit_node_t listener_node;    /* SOCK_LOCATE; 0: nobody listens */
	struct sock_handle listener;
	struct fit_call *join;       /* JOIN_CONNECT, not yet answered */
	unsigned replies;            /* to requests of this board's peers */
	int reply_status;
	struct join_reply reply;
	unsigned notified;           /* calls of poll_notify() */
	_Atomic bool signal;         /* signal_pending() */
};
extern struct fake fake;

void fake_reset(void);
void fake_free(void);
/* Completes the oldest transfer: status 0 carries it out. */
void fake_complete(int status);
void fake_complete_all(void);
/* The skeleton's answer to connect, by reply or event, as it was asked. */
void fake_connected(int status);
/* Last one-way message of this operation, or NULL. */
struct fake_msg *fake_last(uint16_t op);
unsigned fake_count(uint16_t op);

/* The other board's answer to JOIN_CONNECT. */
void fake_joined(int status, struct sock_handle to);
/* What was posted to the loop; what that posts too. */
void fake_loop_run(void);

/* Events of a skeleton at NODE_N. */
void fake_event(fit_node_t from, uint16_t op, const void *msg, size_t len);
void fake_accept(struct sock_handle listener, uint32_t skel);
/* It ended without a byte; its stub's name. */
struct sock_handle fake_accept_ended(struct sock_handle listener, uint32_t skel);
void fake_tx_done(struct sock_handle stub, uint64_t bytes);
void fake_state(struct sock_handle stub, int error, uint32_t flags, uint64_t rx_bytes);
void fake_closed(struct sock_handle stub);
/* A call of another board, of this operation. */
void fake_request(fit_node_t from, uint16_t op, const void *msg, size_t len);
/* The node whose records fake_record() makes from now on. */
void fake_records_from(fit_node_t node);
/* A record with these bytes. */
void fake_record(struct sock_handle stub, const void *data, uint32_t len, uint16_t flags);
/* A record that describes bytes at off in the rx pool on NODE_M. */
void fake_desc(struct sock_handle stub, uint64_t off, uint32_t len);
/* The same with the sum of these bytes, which may not be there yet. */
void fake_early(struct sock_handle stub, uint64_t off, const void *bytes, uint32_t len);
