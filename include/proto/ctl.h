/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operator's channel of every board (virtio-console): frames of a header and a payload, both
 * directions. scripts/racklib/ctl.py reads and writes the same.
 *
 * A program: RUN to the manager, which answers STARTED (board and token) or FAILED. Its stdio then
 * runs on that board's channel with stream = token; EXIT comes from there after its last output.
 */
#pragma once

#include <kern/endian.h>

#define CTL_MAGIC 0x4c544352 /* "RCTL" */
#define CTL_PAYLOAD_MAX 65536

struct ctl_hdr {
	le32_t magic;
	le16_t type;
	le16_t flags;  /* 0 */
	le64_t stream; /* request number chosen by the host, or a program's token */
	le32_t len;
};
static_assert(sizeof(struct ctl_hdr) == 20, "wire layout");

enum ctl_type {
	/* host -> board */
	CTL_HELLO = 1,      /* answered by READY once the board has joined */
	CTL_RUN = 2,        /* manager only: struct ctl_run */
	CTL_STDIN = 3,      /* bytes; at most the credit granted by STDIN_CREDIT is in flight */
	CTL_STDIN_EOF = 4,
	CTL_SIGNAL = 5,     /* le32 signal number: to the program of this stream */
	CTL_STATS = 6,      /* answered by STATS_REPLY */
	CTL_PS = 7,         /* answered by PS_REPLY */
	CTL_SHUTDOWN = 8,   /* the board ends its machine with status 0 */
	CTL_KILL = 9,       /* struct spawn_signal {pid, sig}: answered by DONE */
	CTL_TRACE = 10,     /* answered by TRACE_REPLY frames and an empty one */
	CTL_PERF = 11,      /* struct ctl_perf: answered by PERF_REPLY when it has been measured */
	/* board -> host */
	CTL_READY = 65,     /* text: "name role node" */
	CTL_STARTED = 66,   /* struct ctl_started */
	CTL_FAILED = 67,    /* le32 errno, then text that says what and where */
	CTL_STDOUT = 68,
	CTL_STDERR = 69,
	CTL_STDIN_CREDIT = 70, /* le32 bytes more */
	CTL_EXIT = 71,      /* le32 wait status */
	CTL_STATS_REPLY = 72, /* text lines "set.name value" */
	CTL_PS_REPLY = 73,  /* text lines "pid ppid state token counts command" */
	CTL_DONE = 74,      /* le32 errno, 0: done */
	CTL_TRACE_REPLY = 75, /* struct trace_entry[] */
	CTL_PERF_REPLY = 76, /* text "n=.. size=.. depth=.. median_ns=.. ..." */
};

struct ctl_run {
	char board[16];     /* "" : GPM chooses */
	uint8_t data_mode;  /* enum proto_data_mode */
	uint8_t flags;      /* SPAWN_* */
	le16_t argc;
	le16_t envc;
	le16_t reserved;
	char args[];        /* argc + envc NUL-terminated strings */
};
/* monitors/common/perf.h says what is measured. */
struct ctl_perf {
	char board[16];     /* to which one */
	le32_t op;          /* 0 echo, 1 call, 2 write, 3 read */
	le32_t size, depth, n;
};
static_assert(sizeof(struct ctl_perf) == 32, "wire layout");
struct ctl_started {
	char board[16];
	le64_t token;
	le32_t pid;
};
