/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The opcode table: for every BTH opcode its name, what it is, how long its headers are and where
 * each extended header lies (IBTA table 38, 9.2 to 9.3). Everything that parses or builds packets
 * asks here. Left out: RD, UC and XRC transports, resync.
 */
#include "opcode.h"
#include "wire.h"

#define B ((uint8_t)sizeof(struct bth))
#define R ((uint8_t)sizeof(struct reth))
#define A ((uint8_t)sizeof(struct aeth))
#define D ((uint8_t)sizeof(struct deth))

#define PLAIN(n, f) { .name = n, .flags = (f), .hdr_len = B }
#define WITH_IMM(n, f) { .name = n, .flags = (f) | OPF_IMM, .hdr_len = B + 4, .imm = B }
#define WITH_INV(n, f) { .name = n, .flags = (f) | OPF_INV, .hdr_len = B + 4, .ieth = B }
#define WITH_RETH(n, f) { .name = n, .flags = (f) | OPF_RETH, .hdr_len = B + R, .reth = B }
#define WITH_AETH(n, f) { .name = n, .flags = (f) | OPF_AETH, .hdr_len = B + A, .aeth = B }
#define WITH_ATOMIC(n) { .name = n, .flags = OPF_ATOMIC | OPF_ONLY, \
	.hdr_len = B + sizeof(struct atomic_eth), .atomic_eth = B }

const struct roce_op roce_ops[ROCE_OPCODES] = {
	[RC_SEND_FIRST] = PLAIN("send_first", OPF_SEND | OPF_FIRST | OPF_PAYLOAD),
	[RC_SEND_MIDDLE] = PLAIN("send_middle", OPF_SEND | OPF_PAYLOAD),
	[RC_SEND_LAST] = PLAIN("send_last", OPF_SEND | OPF_LAST | OPF_PAYLOAD),
	[RC_SEND_LAST_IMM] = WITH_IMM("send_last_imm", OPF_SEND | OPF_LAST | OPF_PAYLOAD),
	[RC_SEND_ONLY] = PLAIN("send_only", OPF_SEND | OPF_ONLY | OPF_PAYLOAD),
	[RC_SEND_ONLY_IMM] = WITH_IMM("send_only_imm", OPF_SEND | OPF_ONLY | OPF_PAYLOAD),
	[RC_WRITE_FIRST] = WITH_RETH("write_first", OPF_WRITE | OPF_FIRST | OPF_PAYLOAD),
	[RC_WRITE_MIDDLE] = PLAIN("write_middle", OPF_WRITE | OPF_PAYLOAD),
	[RC_WRITE_LAST] = PLAIN("write_last", OPF_WRITE | OPF_LAST | OPF_PAYLOAD),
	[RC_WRITE_LAST_IMM] = WITH_IMM("write_last_imm", OPF_WRITE | OPF_LAST | OPF_PAYLOAD),
	[RC_WRITE_ONLY] = WITH_RETH("write_only", OPF_WRITE | OPF_ONLY | OPF_PAYLOAD),
	[RC_WRITE_ONLY_IMM] = { .name = "write_only_imm",
				.flags = OPF_WRITE | OPF_ONLY | OPF_PAYLOAD | OPF_RETH | OPF_IMM,
				.hdr_len = B + R + 4,
				.reth = B,
				.imm = B + R },
	[RC_READ_REQUEST] = WITH_RETH("read_request", OPF_READ | OPF_ONLY),
	[RC_READ_RESP_FIRST] = WITH_AETH("read_resp_first",
					 OPF_READ_RESP | OPF_FIRST | OPF_PAYLOAD),
	[RC_READ_RESP_MIDDLE] = PLAIN("read_resp_middle", OPF_READ_RESP | OPF_PAYLOAD),
	[RC_READ_RESP_LAST] = WITH_AETH("read_resp_last", OPF_READ_RESP | OPF_LAST | OPF_PAYLOAD),
	[RC_READ_RESP_ONLY] = WITH_AETH("read_resp_only", OPF_READ_RESP | OPF_ONLY | OPF_PAYLOAD),
	[RC_ACK] = WITH_AETH("ack", OPF_ACK | OPF_ONLY),
	[RC_ATOMIC_ACK] = { .name = "atomic_ack",
			    .flags = OPF_ATOMIC_ACK | OPF_ONLY | OPF_AETH,
			    .hdr_len = B + A + sizeof(struct atomic_ack_eth),
			    .aeth = B,
			    .atomic_ack = B + A },
	[RC_CMP_SWAP] = WITH_ATOMIC("cmp_swap"),
	[RC_FETCH_ADD] = WITH_ATOMIC("fetch_add"),
	[RC_SEND_LAST_INV] = WITH_INV("send_last_inv", OPF_SEND | OPF_LAST | OPF_PAYLOAD),
	[RC_SEND_ONLY_INV] = WITH_INV("send_only_inv", OPF_SEND | OPF_ONLY | OPF_PAYLOAD),
	[UD_SEND_ONLY] = { .name = "ud_send_only",
			   .flags = OPF_UD | OPF_ONLY | OPF_PAYLOAD,
			   .hdr_len = B + D,
			   .deth = B },
	[UD_SEND_ONLY_IMM] = { .name = "ud_send_only_imm",
			       .flags = OPF_UD | OPF_ONLY | OPF_PAYLOAD | OPF_IMM,
			       .hdr_len = B + D + 4,
			       .deth = B,
			       .imm = B + D },
};
