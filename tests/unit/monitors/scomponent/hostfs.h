/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A 9P2000.L server over a folder, behind dev/p9.h: one channel, "root". It names inodes by path as
 * QEMU's does, with QEMU's care for fids when it renames itself, and nobody else's.
 */
#pragma once

#include <dev/p9.h>

extern char hostfs_folder[64];
/* An empty folder, no fids. */
void hostfs_start(void);
/* The server forgets all fids and takes requests again. */
void hostfs_restart(void);
/* Fids that the client has not given back, besides those an export always has. */
unsigned hostfs_fids(void);

/* Faults. A request of this type is answered by the errno; 0: none. */
extern unsigned hostfs_fail_type, hostfs_fail_errno;
/* Bytes that may still be written before the disk is full; UINT64_MAX: no limit. */
extern uint64_t hostfs_room;
/* Bytes a Tread gives at most. */
extern uint32_t hostfs_read_max;
/* A request of this type stays without an answer until the channel is given up; 0: none. */
extern unsigned hostfs_silent;
/* Instead of the server: what answers a request; the answer's length. */
extern uint32_t (*hostfs_answer)(const uint8_t *req, uint32_t len, uint8_t *rep, uint32_t room);
