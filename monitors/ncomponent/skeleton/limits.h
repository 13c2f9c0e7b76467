/* SPDX-License-Identifier: GPL-2.0-only */
/* Limits of sockets on an nComponent, in one place. */
#pragma once

#include <kern/types.h>
#include <proto/sock.h>

#define SKEL_MAX 16384            /* skeletons of all nodes; one table slot each */
/*
 * What one pComponent (owner) may take, so that the others go on. Not here: calls without an
 * answer, which FIT bounds (FIT_DEFERRED_MAX and the class's window); half-open connections, which
 * become cookies (stack/syncookie.c); ports, of which there are more than SKEL_PER_NODE.
 */
#define SKEL_PER_NODE 8192        /* sockets, those not yet accepted included; ENOBUFS beyond */
#define OWNER_RX_HELD_MAX (32u << 20) /* bytes received that the owner has no room for */
#define SKEL_RX_HELD_MIN (16u << 10)  /* and so many of each socket all the same */
#define OWNER_DMA_HELD_MAX (16u << 20) /* bytes that dDMA fetched and nobody acknowledged */
#define OWNER_RECORD_MIN 32       /* bytes of the pool under the smallest record */
#define OWNER_DEAD_MAX 4          /* incarnations not yet freed; EAGAIN for the next HELLO */
#define OWNER_EVENTS_MAX 2048     /* messages that wait for its credits, 4.3 KiB each */
/* Records that one skeleton sends, and those it receives, in its turn: 64 KiB each at most. */
#define SKEL_TURN_RECORDS 64
#define SKEL_BACKLOG_MAX 4097     /* net.core.somaxconn of Linux, and one */
#define SKEL_TX_WINDOW SOCK_WINDOW_DEFAULT /* = lwIP's TCP_SND_BUF: what fits is taken at once */
#define SKEL_RX_WINDOW_MAX (16u * 1024 * 1024)
/* An idle socket's last acknowledged bytes are reported after this: not one message per reply. */
#define SKEL_REPORT_DELAY_NS (10 * NSEC_PER_MSEC)
/* Ends that nobody waits for are told after that delay, or so many together, or so many bytes. */
#define OWNER_GONE_MAX 16
#define OWNER_GONE_BYTES (64u << 10)
#define PEER_POOL_ORDER 11        /* 8 MiB of chunks per pComponent, less when memory is short */
#define PEER_POOL_ORDER_MIN 6
#define PEER_POOL_CHUNKS_MIN 16   /* what a stub must offer at least */
#define DDMA_READS_PER_SOCKET 4   /* in flight: enough to cover a round trip with 64 KiB each */
#define DDMA_PACK_GAP 64          /* bytes of padding worth reading over to save a read */
#define DDMA_READ_MAX (64u * 1024)
#define DDMA_HELD_AHEAD (384u * 1024) /* fetched of holds, and not yet lwIP's */
#define DDMA_LANDINGS_MAX 32      /* of 1 MiB each: what was fetched by reference */
#define DDMA_RETRY_NS NSEC_PER_SEC /* socket memory that could not be attached is asked for again */
#define EPHEMERAL_FIRST 32768     /* net.ipv4.ip_local_port_range of Linux */
#define EPHEMERAL_LAST 60999

static_assert(OWNER_GONE_MAX <= SOCKEVT_CLOSED_MAX, "one message");
static_assert(SKEL_PER_NODE <= SKEL_MAX, "per node");
static_assert(OWNER_DMA_HELD_MAX <= DDMA_LANDINGS_MAX << 19, "half of what there is");
