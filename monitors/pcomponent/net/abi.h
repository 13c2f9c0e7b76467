/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Linux's socket ABI as far as its UAPI headers leave it to the C library: families, types,
 * flags of messages, struct msghdr. Values are those of the x86-64 ABI.
 */
#pragma once

#include <kern/types.h>
#include <linux/fcntl.h>

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10

#define AF_NETLINK 16

#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOCK_TYPE_MASK 15
#define SOCK_CLOEXEC O_CLOEXEC
#define SOCK_NONBLOCK O_NONBLOCK

#define SOCKADDR_MAX 128 /* struct sockaddr_storage */

#define MSG_OOB 0x1
#define MSG_PEEK 0x2
#define MSG_CTRUNC 0x8
#define MSG_TRUNC 0x20
#define MSG_DONTWAIT 0x40
#define MSG_WAITALL 0x100
#define MSG_ERRQUEUE 0x2000
#define MSG_NOSIGNAL 0x4000
#define MSG_MORE 0x8000
#define MSG_WAITFORONE 0x10000

struct user_msghdr {
	uint64_t name;
	int32_t namelen;
	uint32_t pad0;
	uint64_t iov, iovlen;
	uint64_t control, controllen;
	uint32_t flags;
	uint32_t pad1;
};
static_assert(sizeof(struct user_msghdr) == 56, "recvmsg(2)");
/* Ancillary data (cmsg(3)): a header, the data, padding to 8 bytes. */
struct user_cmsghdr {
	uint64_t len;          /* header and data */
	int32_t level, type;
};
static_assert(sizeof(struct user_cmsghdr) == 16, "cmsg(3)");
struct user_mmsghdr {
	struct user_msghdr hdr;
	uint32_t len;
	uint32_t pad;
};
static_assert(sizeof(struct user_mmsghdr) == 64, "recvmmsg(2)");
