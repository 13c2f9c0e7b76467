/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Communication manager messages: management datagrams of class 7 on queue pair 1 (IBTA vol. 1 13.4
 * and 12.6; annex A11 for the IP addresses in front of a REQ's private data). Each is 256 bytes,
 * big-endian.
 */
#pragma once

#include <kern/endian.h>

#include "wire.h"

struct rdma_dev;

enum cm_attr { /* IBTA table 105 */
	CM_REQ = 0x0010,
	CM_MRA = 0x0011,
	CM_REJ = 0x0012,
	CM_REP = 0x0013,
	CM_RTU = 0x0014,
	CM_DREQ = 0x0015,
	CM_DREP = 0x0016,
};
enum cm_reject { /* IBTA 12.6.7.2 */
	CM_REJ_NO_RESOURCES = 3,
	CM_REJ_TIMEOUT = 4,
	CM_REJ_UNSUPPORTED = 5,
	CM_REJ_INVALID_COMM_ID = 6,
	CM_REJ_INVALID_SERVICE_ID = 8,
	CM_REJ_INVALID_TRANSPORT = 9,
	CM_REJ_STALE_CONN = 10,
	CM_REJ_INVALID_MTU = 26,
	CM_REJ_CONSUMER = 28,
};
enum cm_about { CM_ABOUT_REQ = 0, CM_ABOUT_REP = 1, CM_ABOUT_OTHER = 2 };

struct mad_hdr { /* IBTA 13.4.3 */
	uint8_t base_version, mgmt_class, class_version, method;
	be16_t status, class_specific;
	be64_t tid;
	be16_t attr_id, reserved;
	be32_t attr_mod;
};
static_assert(sizeof(struct mad_hdr) == 24, "wire layout");
#define MAD_BASE_VERSION 1
#define MAD_CLASS_CM 7
#define MAD_CM_VERSION 2
#define MAD_METHOD_SEND 3

struct cm_gid {
	uint8_t raw[16]; /* ::ffff:a.b.c.d for RoCEv2 on IPv4 */
};
struct cm_path {
	be16_t local_lid, remote_lid;
	struct cm_gid local_gid, remote_gid;
	be32_t flow_rate;     /* flow label 31:12, packet rate 5:0 */
	uint8_t traffic_class, hop_limit;
	uint8_t sl_local;     /* SL 7:4, subnet local 3 */
	uint8_t ack_timeout;  /* 7:3 */
};
static_assert(sizeof(struct cm_path) == 44, "wire layout");

/* A11.1.3: what RDMA_PS_TCP puts in front of the user's private data */
struct cm_ip_hdr {
	uint8_t version;      /* 0 */
	uint8_t ip_version;   /* 7:4 */
	be16_t port;          /* of the sender */
	uint8_t src[16], dst[16];
};
static_assert(sizeof(struct cm_ip_hdr) == 36, "wire layout");
#define CM_SERVICE_TCP 0x0000000001060000ULL /* | port */

struct cm_req { /* IBTA table 106 */
	struct mad_hdr hdr;
	be32_t local_id, reserved4;
	be64_t service_id, ca_guid;
	be32_t reserved24, qkey;
	be32_t qpn_resources; /* QPN 31:8, responder resources 7:0 */
	be32_t eecn_depth;    /* 31:8 0, initiator depth 7:0 */
	be32_t eecn_timeout;  /* remote CM response timeout 7:3, transport 2:1, flow control 0 */
	be32_t psn_timeout;   /* starting PSN 31:8, local CM response timeout 7:3, retries 2:0 */
	be16_t pkey;
	uint8_t mtu_rnr;      /* path MTU 7:4, RDC 3, RNR retries 2:0 */
	uint8_t retries_srq;  /* CM retries 7:4, SRQ 3, extended transport 2:0 */
	struct cm_path primary, alternate;
	struct cm_ip_hdr ip;
	uint8_t private_data[56];
};
static_assert(sizeof(struct cm_req) == MAD_LEN, "wire layout");
static_assert(offsetof(struct cm_req, primary) == 24 + 52, "wire layout");
static_assert(offsetof(struct cm_req, ip) == 24 + 140, "wire layout");

struct cm_rep { /* IBTA table 110 */
	struct mad_hdr hdr;
	be32_t local_id, remote_id, qkey;
	be32_t qpn;           /* 31:8 */
	be32_t eecn;
	be32_t psn;           /* 31:8 */
	uint8_t resources, depth;
	uint8_t ack_delay;    /* 7:3, failover 2:1, flow control 0 */
	uint8_t rnr_srq;      /* RNR retries 7:5, SRQ 4 */
	be64_t ca_guid;
	uint8_t private_data[196];
};
static_assert(sizeof(struct cm_rep) == MAD_LEN, "wire layout");

struct cm_rtu { /* tables 111 (RTU) and 113 (DREP) */
	struct mad_hdr hdr;
	be32_t local_id, remote_id;
	uint8_t private_data[224];
};
static_assert(sizeof(struct cm_rtu) == MAD_LEN, "wire layout");

struct cm_mra { /* table 107 */
	struct mad_hdr hdr;
	be32_t local_id, remote_id;
	uint8_t about;        /* 7:6 */
	uint8_t service;      /* 7:3 */
	uint8_t private_data[222];
};
static_assert(sizeof(struct cm_mra) == MAD_LEN, "wire layout");

struct cm_rej { /* table 108 */
	struct mad_hdr hdr;
	be32_t local_id, remote_id;
	uint8_t about;        /* 7:6 */
	uint8_t info_len;     /* 7:1 */
	be16_t reason;
	uint8_t info[72];
	uint8_t private_data[148];
};
static_assert(sizeof(struct cm_rej) == MAD_LEN, "wire layout");

struct cm_dreq { /* table 112 */
	struct mad_hdr hdr;
	be32_t local_id, remote_id;
	be32_t remote_qpn;    /* 31:8 */
	uint8_t private_data[220];
};
static_assert(sizeof(struct cm_dreq) == MAD_LEN, "wire layout");

union cm_mad {
	struct mad_hdr hdr;
	struct cm_req req;
	struct cm_rep rep;
	struct cm_rtu rtu;
	struct cm_mra mra;
	struct cm_rej rej;
	struct cm_dreq dreq;
	uint8_t raw[MAD_LEN];
};
static_assert(sizeof(union cm_mad) == MAD_LEN, "wire layout");

/* What a REQ says, in host order. */
struct cm_offer {
	uint32_t id, qpn, psn, mtu;
	uint8_t resources, depth;
	uint16_t service_port, peer_port;
	uint32_t ack_timeout_us;   /* building only */
	uint32_t src_ip, dst_ip;   /* building only */
};

void cm_msg_begin(union cm_mad *m, enum cm_attr attr, uint64_t tid, uint32_t local_id,
		  uint32_t remote_id);
void cm_msg_req(union cm_mad *m, uint64_t tid, const struct cm_offer *o, uint64_t guid,
		const void *private_data, size_t len);
/* 0, or the reason to reject it with. */
int cm_msg_parse_req(const union cm_mad *m, struct cm_offer *o);
void cm_msg_rej(union cm_mad *m, uint64_t tid, uint32_t local_id, uint32_t remote_id,
		enum cm_about about, uint16_t reason, const void *private_data, size_t len);
/* One datagram to queue pair 1 of ip. Lost ones are the state machine's business. */
void cm_msg_send(struct rdma_dev *dev, uint32_t ip, const union cm_mad *m);
uint64_t cm_msg_guid(const struct rdma_dev *dev);
