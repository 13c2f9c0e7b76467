/* SPDX-License-Identifier: GPL-2.0-only */
/* The invariant CRC of RoCEv2 (IBTA 7.8.1, A17.3.3). */
#pragma once

#include <kern/types.h>

/* Makes the tables and picks the routine that is fastest here. Once, before any other call. */
void icrc_init(void);
/* "sparse", "slice16" or "slice8" */
const char *icrc_impl_name(void);
/* Continues a CRC-32 (reflected 0x04c11db7; no inversion at either end). */
uint32_t icrc_update(uint32_t crc, const void *data, size_t len);
/*
 * State after the masked headers: ip points at the 20 bytes of IPv4, 8 of UDP and 12 of BTH, one
 * behind the other. The caller goes on with the bytes behind the BTH and stores ~state, low byte
 * first.
 */
uint32_t icrc_headers(const uint8_t *ip);

/* One routine by itself, for the test of their agreement. */
uint32_t icrc_slice8(uint32_t crc, const uint8_t *p, size_t len);
uint32_t icrc_slice16(uint32_t crc, const uint8_t *p, size_t len);
uint32_t icrc_sparse(uint32_t crc, const uint8_t *p, size_t len);
