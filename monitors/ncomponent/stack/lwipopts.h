/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lwIP as this board uses it: raw API, no threads, memory from the board's allocator, checksums by
 * the NIC where it can. Each option that differs from lwIP's default has its reason here.
 */
#pragma once

/* One context, asserted at every entry. */
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_ASSERT_CORE_LOCKED() stack_assert_context()

/* Memory: kmalloc for everything; limits are the Proxy's, per node. */
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 8
#define mem_clib_malloc stack_malloc
#define mem_clib_calloc stack_calloc
#define mem_clib_free stack_free

/* Link and IP. */
#define ETH_PAD_SIZE 0
#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ICMP 1
#define LWIP_RAW 1                  /* datagrams and ICMP errors: stack/udp.c, stack/icmp.c */
#define LWIP_UDP 0
#define LWIP_DHCP 0
#define LWIP_ARP 1
#define ARP_TABLE_SIZE 64
#define ARP_QUEUEING 1
#define ARP_QUEUE_LEN 8
#define IP_REASSEMBLY 1
#define IP_REASS_MAX_PBUFS 96       /* two 64 KiB datagrams */
#define IP_FRAG 1
#define LWIP_MULTICAST_PING 0
#define LWIP_BROADCAST_PING 0
#define LWIP_NETIF_LINK_CALLBACK 0
#define LWIP_NETIF_TX_SINGLE_PBUF 0
/* The rack's own addresses turn round here, and 127/8 when GNM names this board its authority. */
#define LWIP_NETIF_LOOPBACK 1
#define LWIP_HAVE_LOOPIF 1
#define LWIP_LOOPBACK_MAX_PBUFS 1024

/* Checksums are set and checked per netif and per frame (stack/netif.c). */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_CHECKSUM_ON_COPY 0
#define LWIP_CHKSUM_ALGORITHM 3

/* TCP. */
#define LWIP_TCP 1
#define TCP_MSS 1460                /* Ethernet MTU 1500 */
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 3
#define TCP_WND (256 * 1024)        /* = SOCK_WINDOW_DEFAULT */
#define TCP_SND_BUF (256 * 1024)
#define TCP_SND_QUEUELEN 8192       /* pbufs; small records are one or two each */
#define TCP_SNDLOWAT (48 * 1024)
#define TCP_SNDQUEUELOWAT 1024
#define TCP_WND_UPDATE_THRESHOLD (16 * 1024)
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_PBUFS 256     /* one window of full segments, and some */
#define LWIP_TCP_SACK_OUT 1
#define LWIP_TCP_MAX_SACK_NUM 4
#define LWIP_TCP_TIMESTAMPS 0       /* 12 bytes a segment; RTT is measured without */
#define TCP_OVERSIZE TCP_MSS
#define TCP_LISTEN_BACKLOG 1
#define TCP_DEFAULT_LISTEN_BACKLOG 0xff
#define LWIP_TCP_KEEPALIVE 1
#define SO_REUSE 1                  /* conflicts are the Proxy's; every PCB has REUSEADDR */
#define LWIP_TCP_PCB_NUM_EXT_ARGS 1 /* tells stack/tcp.c when lwIP frees a PCB */
#define LWIP_TCP_CALC_INITIAL_CWND(mss) ((tcpwnd_size_t)(10U * (mss))) /* RFC 6928 */
/*
 * The tick is 40 ms, Linux's smallest delayed ACK: a delayed ACK waits at most that long, and the
 * smallest RTO is three slow ticks, 240 ms. lwIP's own 250 ms would make that 250 and 1500.
 */
#define TCP_TMR_INTERVAL 40
#define LWIP_TCP_RTO_TIME 1000      /* RFC 6298 */
#define TCP_RTO_MAX 120000          /* as Linux's */
#define TCP_MSL stack_tcp_msl_ms    /* half of TIME_WAIT: "tcp.time_wait_ms" */
#define TCP_LAST_ACK_TIMEOUT 120000 /* ms without a word from the peer */

#define LWIP_STATS 1
#define LWIP_STATS_LARGE 1
#define LWIP_STATS_DISPLAY 0
#define LINK_STATS 0
#define ETHARP_STATS 1
#define IP_STATS 1
#define IPFRAG_STATS 0
#define ICMP_STATS 0
#define UDP_STATS 0
#define TCP_STATS 1
#define MEM_STATS 0
#define MEMP_STATS 0
#define SYS_STATS 0
#define MIB2_STATS 1
#define LWIP_PERF 0

#define LWIP_HOOK_FILENAME "lwip_hooks.h"
#define LWIP_HOOK_TCP_ISN stack_tcp_isn
#define LWIP_HOOK_IP4_ROUTE_SRC stack_route
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, hdr, n, n1, o2, p) stack_tcp_admit(pcb, p)
#define LWIP_HOOK_TCP_OUT_ADD_TCPOPTS(p, hdr, pcb, opts) stack_tcp_segment(p, hdr, pcb, opts)
