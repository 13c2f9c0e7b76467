/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The transport headers of InfiniBand as they lie on the wire (IBTA vol. 1 ch. 9), behind UDP port
 * 4791 (annex A17, RoCEv2). All big-endian; the ICRC alone is stored low byte first.
 */
#pragma once

#include <kern/endian.h>

#define ROCE_UDP_PORT 4791
#define ROCE_ICRC_LEN 4u
#define ROCE_PKEY 0xffff

/* IBTA 9.2: base transport header */
struct bth {
	uint8_t opcode;
	uint8_t flags;   /* solicited 7, MigReq 6, pad count 5:4, version 3:0 */
	be16_t pkey;
	be32_t qpn;      /* 31:24 reserved (FECN, BECN), masked out of the ICRC */
	be32_t psn;      /* 31 AckReq, 23:0 PSN */
};
static_assert(sizeof(struct bth) == 12, "wire layout");
#define BTH_SOLICITED 0x80
#define BTH_MIGREQ 0x40
#define BTH_PAD(flags) (((flags) >> 4) & 3u)
#define BTH_VERSION(flags) ((flags) & 0xfu)
#define BTH_ACKREQ 0x80000000u
#define BTH_MASK24 0x00ffffffu

/* IBTA 9.3.3: RDMA extended transport header */
struct reth {
	be64_t va;
	be32_t rkey;
	be32_t len;
};
static_assert(sizeof(struct reth) == 16, "wire layout");

/* IBTA 9.3.4 */
struct atomic_eth {
	be64_t va;
	be32_t rkey;
	be64_t swap_add;
	be64_t compare;
};
static_assert(sizeof(struct atomic_eth) == 28, "wire layout");

/* IBTA 9.3.5 */
struct aeth {
	be32_t syndrome_msn; /* syndrome 31:24, message sequence number 23:0 */
};
static_assert(sizeof(struct aeth) == 4, "wire layout");
/* IBTA table 43: the syndrome */
#define AETH_ACK 0x1f      /* acknowledgement, no end-to-end credits */
#define AETH_RNR 0x20      /* | timer code */
#define AETH_NAK_PSN 0x60
#define AETH_NAK_INVALID 0x61
#define AETH_NAK_ACCESS 0x62
#define AETH_NAK_OP 0x63
#define AETH_KIND(s) ((s) & 0xe0u)
#define AETH_KIND_ACK 0x00u
#define AETH_KIND_RNR 0x20u
#define AETH_KIND_NAK 0x60u

/* IBTA 9.3.5.3 */
struct atomic_ack_eth {
	be64_t original;
};
static_assert(sizeof(struct atomic_ack_eth) == 8, "wire layout");

/* IBTA 9.3.2: datagram header, for queue pair 1 */
struct deth {
	be32_t qkey;
	be32_t src_qpn;
};
static_assert(sizeof(struct deth) == 8, "wire layout");
#define GSI_QPN 1u
#define GSI_QKEY 0x80010000u
#define MAD_LEN 256u

/* PSNs are 24 bits and compared in a half circle (IBTA 9.7.1). */
static inline uint32_t psn_add(uint32_t psn, uint32_t n)
{
	return (psn + n) & BTH_MASK24;
}
/* a - b, in -2^23 .. 2^23-1 */
static inline int32_t psn_diff(uint32_t a, uint32_t b)
{
	return (int32_t)((a - b) << 8) >> 8;
}
