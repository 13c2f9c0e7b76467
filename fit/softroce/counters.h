/* SPDX-License-Identifier: GPL-2.0-only */
/* What softroce counts. Every drop has its reason. */
#pragma once

#include <kern/counter.h>

#define SOFTROCE_COUNTERS(X)                                                                      \
	X(rx_packets) X(rx_payload_bytes) X(rx_acks) X(rx_naks) X(rx_rnr_naks) X(rx_mads)         \
	X(tx_packets) X(tx_payload_bytes) X(tx_acks) X(tx_naks) X(tx_rnr_naks) X(tx_mads)         \
	X(tx_ring_full)                                                                           \
	X(retransmits)        /* request packets sent again */                                    \
	X(timeouts)           /* expired retransmission timers */                                 \
	X(duplicate_requests) /* answered again */                                                \
	X(refused_access)     /* keys unknown, another peer's, withdrawn, or out of range */      \
	X(refused_invalid)    /* requests without sense; both end their queue pair */             \
	X(qp_errors)          /* queue pairs that went to the error state with work outstanding */\
	X(cm_connects) X(cm_accepts) X(cm_duplicates)                                             \
	X(arp_requests) X(arp_replies) X(icmp_echoes)                                             \
	X(drop_short)         /* frame ends inside a header */                                    \
	X(drop_not_ours)      /* other MAC or IP address */                                       \
	X(drop_ethertype) X(drop_ip_header) X(drop_ip_checksum) X(drop_fragment)                  \
	X(drop_protocol)      /* IP protocol or UDP port nobody here serves */                    \
	X(drop_arp) X(drop_icmp)                                                                  \
	X(drop_udp_length) X(drop_bth) X(drop_opcode) X(drop_pkey) X(drop_length) X(drop_icrc)    \
	X(drop_qpn) X(drop_peer) X(drop_state)                                                    \
	X(drop_psn_ahead)     /* request after a gap */                                           \
	X(drop_psn_invalid)   /* acknowledges what was never sent */                              \
	X(drop_stale_response) X(drop_bad_response) X(drop_duplicate_read)                        \
	X(drop_mad)           /* malformed, or for nobody */                                      \
	X(drop_tx_no_packet) X(drop_tx_no_neighbour) X(drop_tx_ring)                              \
	X(drop_cq_overflow)

COUNTERS_DECLARE(softroce, SOFTROCE_COUNTERS);
#define sr_count(c) counter_add(softroce, c, 1)
#define sr_count_n(c, n) counter_add(softroce, c, n)
