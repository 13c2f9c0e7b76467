/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A whole nComponent (Proxy, skeletons, data paths, stack) as one object whose symbols have a
 * prefix,
 * so that it can stand in one program with a pComponent's stub. All in one thread on the simulated
 * clock; connections are those to the board's own address, which turn round in lwIP.
 */
#pragma once

#include <fit/fit.h>
#include <proto/sock.h>
#include <proto/sockmem.h>

#define NODE_N 4
#define NODE_P 8
#define NODE_M 3
#define SIDE_IP 0x0a000001u

#ifndef SIDE
#define SIDE(name) n_##name /* as it is linked */
#endif

void SIDE(side_start)(void);
/* Skeletons made from now on take so many bytes. */
void SIDE(side_window)(uint32_t bytes);
/* NODE_P's doing. The answer comes by p_reply(), perhaps from within. */
void SIDE(side_call)(uint16_t op, const void *msg, size_t len, void *token);
void SIDE(side_oneway)(uint16_t op, const void *msg, size_t len);
void SIDE(side_record)(uint32_t imm, uint32_t len);
/* No skeleton holds bytes, and no chunk of NODE_P's pool is handed out. */
bool SIDE(side_idle)(void);
unsigned SIDE(side_skeletons)(void);
/* Descriptors of small records before their bytes; how often bytes were read again. */
void SIDE(side_early)(bool on);
uint64_t SIDE(side_early_again)(void);

/* What the other side of the program has. */
void p_reply(void *token, int status, const void *data, size_t len);
void p_event(uint16_t op, const void *msg, size_t len);
void p_record(uint32_t imm, uint32_t len);
/* Before it is written. */
void p_sees_record(const struct fit_xfer *x);
void p_sockmem(struct sockmem_pools *out);
