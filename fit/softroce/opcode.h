/* SPDX-License-Identifier: GPL-2.0-only */
/* BTH opcodes and what each carries (IBTA table 38). */
#pragma once

#include <kern/types.h>

enum roce_opcode {
	RC_SEND_FIRST = 0x00,
	RC_SEND_MIDDLE,
	RC_SEND_LAST,
	RC_SEND_LAST_IMM,
	RC_SEND_ONLY,
	RC_SEND_ONLY_IMM,
	RC_WRITE_FIRST,
	RC_WRITE_MIDDLE,
	RC_WRITE_LAST,
	RC_WRITE_LAST_IMM,
	RC_WRITE_ONLY,
	RC_WRITE_ONLY_IMM,
	RC_READ_REQUEST,
	RC_READ_RESP_FIRST,
	RC_READ_RESP_MIDDLE,
	RC_READ_RESP_LAST,
	RC_READ_RESP_ONLY,
	RC_ACK,
	RC_ATOMIC_ACK,
	RC_CMP_SWAP,
	RC_FETCH_ADD,
	RC_SEND_LAST_INV = 0x16,
	RC_SEND_ONLY_INV,
	UD_SEND_ONLY = 0x64,
	UD_SEND_ONLY_IMM,
	ROCE_OPCODES = 0x66
};

enum roce_op_flags {
	OPF_SEND = 1u << 0,
	OPF_WRITE = 1u << 1,
	OPF_READ = 1u << 2,       /* READ request */
	OPF_ATOMIC = 1u << 3,     /* atomic request */
	OPF_READ_RESP = 1u << 4,
	OPF_ACK = 1u << 5,
	OPF_ATOMIC_ACK = 1u << 6,
	OPF_UD = 1u << 7,
	OPF_FIRST = 1u << 8,      /* begins a message; ONLY is FIRST and LAST */
	OPF_LAST = 1u << 9,       /* ends a message */
	OPF_PAYLOAD = 1u << 10,   /* may carry a payload */
	OPF_RETH = 1u << 11,
	OPF_AETH = 1u << 12,
	OPF_IMM = 1u << 13,
	OPF_INV = 1u << 14,
	OPF_REQUEST = OPF_SEND | OPF_WRITE | OPF_READ | OPF_ATOMIC,
	OPF_RESPONSE = OPF_READ_RESP | OPF_ACK | OPF_ATOMIC_ACK,
	OPF_ONLY = OPF_FIRST | OPF_LAST,
};

/* Offsets are from the BTH; 0: the header is absent. */
struct roce_op {
	const char *name;   /* NULL: no such opcode */
	uint32_t flags;     /* OPF_* */
	uint8_t hdr_len;    /* BTH and extended headers */
	uint8_t reth, aeth, imm, ieth, atomic_eth, atomic_ack, deth;
};

extern const struct roce_op roce_ops[ROCE_OPCODES];

/* NULL when this engine knows no such opcode. */
static inline const struct roce_op *roce_op(uint8_t opcode)
{
	return opcode < ROCE_OPCODES && roce_ops[opcode].name ? &roce_ops[opcode] : NULL;
}
