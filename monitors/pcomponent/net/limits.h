/* SPDX-License-Identifier: GPL-2.0-only */
/* Limits of sockets on a pComponent, in one place. */
#pragma once

#include <kern/types.h>
#include <proto/sock.h>

#define NET_LEGS_MAX 16384          /* skeletons that this board's stubs use, listeners included */
#define NET_BINDS_MAX 16            /* nComponents of one wildcard bind; gnm_place has as many */
#define NET_BIND_RETRIES 8          /* a port chosen by one nComponent may be taken on another */
#define NET_POOL_DEFAULT (4u << 20) /* "net.pool=": bytes of the pool that an nComponent writes */
#define NET_POOL_MIN (64u << 10)
#define NET_POOL_MAX (8u << 20)     /* one run of pages */
#define NET_SOCKMEM_DEFAULT (4u << 20) /* "net.sockmem=": bytes a direction on an mComponent */
#define NET_GATHER_DEFAULT 8192     /* "net.gather=": sends up to this share records; 0: none */
#define NET_GATHER_MAX 16384
#define NET_SOMAXCONN 4096          /* net.core.somaxconn of Linux */
#define NET_TX_WINDOW_MAX (16u << 20)  /* more than this from a skeleton is nonsense */
#define NET_GNM_CACHE 64            /* answers of GNM kept while their lease lasts */
#define NET_RX_INLINE 4             /* records that wait in a stub without an allocation */

/* Linux's defaults and bounds: net.ipv4.tcp_rmem, tcp_wmem, net.core.rmem_max, SOCK_MIN_*BUF. */
#define NET_RCVBUF_DEFAULT 131072
#define NET_SNDBUF_DEFAULT 16384
#define NET_BUF_MAX 212992
#define NET_DGRAM_BUF_DEFAULT 212992 /* net.core.rmem_default, wmem_default */
#define NET_RCVBUF_MIN 2304
#define NET_SNDBUF_MIN 4608

static_assert(NET_POOL_MAX / SOCK_UNIT < 1u << 28, "an immediate names any record");
