/* SPDX-License-Identifier: GPL-2.0-only */
/* 82574L transmit: TCP segmentation (tso.c), for tx.c. */
#pragma once

#include "e1000e.h"

#define TCP_CSUM_OFFSET 16 /* RFC 9293 3.1: where TCP keeps its checksum */

/* The lengths of an NTX_TSO4 frame fit each other and the device. */
bool e1000e_tso_is_sound(const struct nettx *tx);
/* Adds what segmentation needs to a context descriptor. */
void e1000e_tso_context(union e1000e_txd *d, const struct nettx *tx);
/* Writes the frame's header, as this device wants it, to dst (E1000E_TSO_HDR_MAX bytes). */
void e1000e_tso_header(uint8_t *dst, const struct nettx *tx);
