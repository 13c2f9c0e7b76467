/* SPDX-License-Identifier: GPL-2.0-only */
/* Frame echo, the protocol: shared by echo.c, echo_ping.c and, in Python, scripts/echo-peer.py. */
#pragma once

#include <dev/netdev.h>
#include <kern/endian.h>

#define ECHO_ETHERTYPE 0x88b5 /* IEEE 802 local experimental 1 */
#define ECHO_MAGIC 0x65636830u
#define ECHO_FRAME_MIN 60     /* bytes without FCS; IEEE 802.3 4.2.3.3 */
#define ECHO_FRAME_MAX 9014

enum echo_op { ECHO_REQUEST = 1, ECHO_REPLY = 2, ECHO_BYE = 3 };

/* The rest of the frame is any bytes; a reply has those of its request. */
struct echo_frame {
	uint8_t dst[ETH_ADDR_LEN], src[ETH_ADDR_LEN];
	be16_t ethertype;
	be32_t magic;
	uint8_t op; /* enum echo_op */
	uint8_t reserved;
	be16_t len; /* of the frame */
	be32_t seq;
	uint8_t bytes[];
} __packed;
static_assert(sizeof(struct echo_frame) == 26, "scripts/echo-peer.py has the same");

/* The frame's header, or NULL when this is no echo frame. */
const struct echo_frame *echo_decode(const struct netbuf *nb);
/* Measures, logs one line a size. Ends the machine. */
int echo_ping(struct netdev *dev);
