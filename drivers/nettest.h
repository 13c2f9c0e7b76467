/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the self-tests of network drivers share: a device on a loop of its own, frames in and out.
 */
#pragma once

#include <dev/netdev.h>
#include <kern/spinlock.h>
#include <kern/wait.h>

#define NETTEST_FRAME_MAX 9014
#define NETTEST_ETHERTYPE 0x88b5 /* IEEE 802 local experimental 1 */
#define NETTEST_QUEUE 64u

struct nettest {
	struct netdev *dev;
	struct loop *loop;
	struct waitq q;
	struct spinlock lock;
	struct netbuf *frames[NETTEST_QUEUE]; /* received, a ring; more are dropped */
	unsigned first, count;
	_Atomic unsigned done, room_calls;
	uint8_t *frame; /* the one being built, NETTEST_FRAME_MAX bytes */
	struct nettx tx;
};

/* The device's, made at the first call; NULL: no memory, or it has another consumer. */
struct nettest *nettest_open(struct netdev *dev);
/* Ethernet header in t->frame, the rest up to len a pattern of seed. */
void nettest_build(struct nettest *t, const uint8_t *dst, uint16_t ethertype, uint32_t len,
		   unsigned seed);
/* Sends t->frame in `pieces` fragments and waits until it is done. 0 or -errno. */
int nettest_send(struct nettest *t, uint32_t len, unsigned pieces);
/* The next frame of this type, within a second; NULL: none. The caller frees the chain. */
struct netbuf *nettest_recv(struct nettest *t, uint16_t ethertype);
/* True if the frame has exactly these bytes. */
bool nettest_same(const struct netbuf *nb, const uint8_t *want, uint32_t len);
/* Sends n frames of len bytes as fast as the ring takes them; 0 when all are done in 10 s. */
int nettest_flood(struct nettest *t, const uint8_t *dst, unsigned n, uint32_t len);
/* Throws away what was received so far. */
void nettest_drain(struct nettest *t);
