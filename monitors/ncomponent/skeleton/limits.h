/* SPDX-License-Identifier: GPL-2.0-only */
/* Limits of sockets on an nComponent, in one place. */
#pragma once

#include <kern/types.h>
#include <proto/sock.h>

#define SKEL_MAX 16384            /* skeletons of all nodes; one table slot each */
#define SKEL_PER_NODE 8192        /* one pComponent cannot take all of them */
#define SKEL_BACKLOG_MAX 4097     /* net.core.somaxconn of Linux, and one */
#define SKEL_TX_WINDOW SOCK_WINDOW_DEFAULT /* = lwIP's TCP_SND_BUF: what fits is taken at once */
#define SKEL_RX_WINDOW_MAX (16u * 1024 * 1024)
/* An idle socket's last acknowledged bytes are reported after this: not one message per reply. */
#define SKEL_REPORT_DELAY_NS (10 * NSEC_PER_MSEC)
#define PEER_POOL_ORDER 11        /* 8 MiB of chunks per pComponent, less when memory is short */
#define PEER_POOL_ORDER_MIN 6
#define PEER_POOL_CHUNKS_MIN 16   /* what a stub must offer at least */
#define DDMA_READS_PER_SOCKET 4   /* in flight: enough to cover a round trip with 64 KiB each */
#define DDMA_PACK_GAP 64          /* bytes of padding worth reading over to save a read */
#define DDMA_READ_MAX (64u * 1024)
#define DDMA_LANDINGS_MAX 32      /* of 1 MiB each: what was fetched by reference */
#define DDMA_RETRY_NS NSEC_PER_SEC /* socket memory that could not be attached is asked for again */
#define EPHEMERAL_FIRST 32768     /* net.ipv4.ip_local_port_range of Linux */
#define EPHEMERAL_LAST 60999

static_assert(SKEL_PER_NODE <= SKEL_MAX, "per node");
