/* SPDX-License-Identifier: GPL-2.0-only */
/* GPM: which pComponent runs a program, and how it ended. GMM: which mComponent holds it. */
#pragma once

#include <proto/fit.h>

#define SPAWN_ARGS_MAX 3072 /* bytes of argv and environment strings, each NUL-terminated */

enum proto_data_mode { DATA_DEFAULT = 0, DATA_DDIO = 1, DATA_DMA = 2, DATA_AUTO = 3 };

/*
 * manager -> pComponent, call: start a program. Reply: spawn_reply, or -errno (ENOENT, ENOEXEC...).
 */
#define OP_SPAWN_START PROTO_OP(PROTO_CLASS_SPAWN, 1)
struct spawn_start {
	le64_t token;       /* stream number of its stdio on the board's control channel */
	le16_t home;        /* mComponent chosen by GMM */
	uint8_t data_mode;  /* enum proto_data_mode */
	uint8_t flags;      /* SPAWN_* */
	le16_t argc;
	le16_t envc;
	le32_t args_len;
	/* argc then envc strings; argv[0] is the path, searched in PATH if without '/' */
	char args[];
};
#define SPAWN_STDIN 1u      /* stdin is fed by the channel; else it is empty */
#define SPAWN_STRACE 2u     /* its system calls are told on its stderr */
struct spawn_reply {
	le32_t pid;
	le32_t reserved;
};
/* manager -> pComponent, call: kill(pid, sig). */
#define OP_SPAWN_SIGNAL PROTO_OP(PROTO_CLASS_SPAWN, 2)
struct spawn_signal {
	le32_t pid;
	le32_t sig;
};

/* pComponent -> manager, one-way: a spawned program ended. */
#define OP_GPM_EXIT PROTO_OP(PROTO_CLASS_GPM, 1)
struct gpm_exit {
	le64_t token;
	le32_t pid;
	le32_t wait_status; /* as wait(2) reports it */
};

/* pComponent -> manager, call: home mComponent for a new address space. Reply: gmm_home_reply. */
#define OP_GMM_HOME PROTO_OP(PROTO_CLASS_GMM, 1)
struct gmm_home_reply {
	le16_t node;
	le16_t reserved[3];
};

/*
 * pComponent -> manager, call: which mComponent keeps a region of a space that is touched for the
 * first time. Reply: gmm_home_reply. -ENOMEM: there is no mComponent.
 */
#define OP_GMM_REGION PROTO_OP(PROTO_CLASS_GMM, 2)
struct gmm_region {
	le16_t home;        /* of the space: preferred as long as it has room */
	le16_t reserved[3];
	le64_t pages;       /* that it may come to have */
};

/* pComponent -> manager, call: how much memory all mComponents have. Request: none. */
#define OP_GMM_ROOM PROTO_OP(PROTO_CLASS_GMM, 3)
struct gmm_room_reply { le64_t total_pages, free_pages; };
