/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 9P2000.L on the wire: message numbers, and a cursor that writes requests and reads answers.
 * A cursor that would leave its buffer turns bad and stays bad; what a bad one yields is zero. So
 * an answer is read whole and its cursor looked at once, at the end.
 *
 * (The protocol: "9P2000.L", the diod project's protocol.md, over intro(5) of Plan 9.)
 */
#pragma once

#include <kern/endian.h>
#include <kern/string.h>

enum p9_type { /* of requests; an answer's is one more */
	P9_LERROR = 6,
	P9_STATFS = 8,
	P9_LOPEN = 12,
	P9_LCREATE = 14,
	P9_SYMLINK = 16,
	P9_MKNOD = 18,
	P9_READLINK = 22,
	P9_GETATTR = 24,
	P9_SETATTR = 26,
	P9_READDIR = 40,
	P9_FSYNC = 50,
	P9_LINK = 70,
	P9_MKDIR = 72,
	P9_RENAMEAT = 74,
	P9_UNLINKAT = 76,
	P9_VERSION = 100,
	P9_ATTACH = 104,
	P9_WALK = 110,
	P9_READ = 116,
	P9_WRITE = 118,
	P9_CLUNK = 120,
};
#define P9_NOTAG 0xffff
#define P9_NOFID 0xffffffffu
#define P9_HEAD 7   /* bytes: size[4] type[1] tag[2] */
#define P9_QID 13   /* bytes: type[1] version[4] path[8] */

/* Tlopen, Tlcreate: Linux's own numbers. */
#define P9_RDONLY 0u
#define P9_WRONLY 1u
#define P9_EXCL 0200u
#define P9_DIRECTORY 0200000u
#define P9_NOFOLLOW 0400000u

#define P9_GETATTR_BASIC 0x7ffull

#define P9_SETATTR_MODE 1u
#define P9_SETATTR_UID 2u
#define P9_SETATTR_GID 4u
#define P9_SETATTR_SIZE 8u
#define P9_SETATTR_ATIME 0x10u
#define P9_SETATTR_MTIME 0x20u
#define P9_SETATTR_ATIME_SET 0x80u
#define P9_SETATTR_MTIME_SET 0x100u

struct p9_cur {
	uint8_t *at, *end;
	bool bad;
};

static inline uint8_t *p9_take(struct p9_cur *c, size_t n)
{
	uint8_t *at = c->at;

	if (c->bad || n > (size_t)(c->end - c->at)) {
		c->bad = true;
		return NULL;
	}
	c->at += n;
	return at;
}

#define P9_NUMBER(bits, wire)                                                                     \
	static inline void p9_put##bits(struct p9_cur *c, uint##bits##_t v)                       \
	{                                                                                         \
		wire##_t w = wire(v);                                                             \
		uint8_t *p = p9_take(c, sizeof(w));                                               \
		if (p)                                                                            \
			memcpy(p, &w, sizeof(w));                                                 \
	}                                                                                         \
	static inline uint##bits##_t p9_get##bits(struct p9_cur *c)                               \
	{                                                                                         \
		wire##_t w = wire(0);                                                             \
		const uint8_t *p = p9_take(c, sizeof(w));                                         \
		if (p)                                                                            \
			memcpy(&w, p, sizeof(w));                                                 \
		return wire##_get(w);                                                             \
	}
P9_NUMBER(16, le16)
P9_NUMBER(32, le32)
P9_NUMBER(64, le64)

static inline void p9_put8(struct p9_cur *c, uint8_t v)
{
	uint8_t *p = p9_take(c, 1);

	if (p)
		*p = v;
}

static inline uint8_t p9_get8(struct p9_cur *c)
{
	const uint8_t *p = p9_take(c, 1);

	return p ? *p : 0;
}

static inline void p9_put_str(struct p9_cur *c, const char *s, size_t len)
{
	p9_put16(c, (uint16_t)len);
	uint8_t *p = len <= UINT16_MAX ? p9_take(c, len) : NULL;

	if (p)
		memcpy(p, s, len);
	else
		c->bad = true;
}

/* The string stays in the message and is not terminated; NULL when the cursor is bad. */
static inline const char *p9_get_str(struct p9_cur *c, size_t *len)
{
	*len = p9_get16(c);
	const char *s = (const char *)p9_take(c, *len);

	if (!s)
		*len = 0;
	return s;
}

struct p9_qid { uint8_t type; uint32_t version; uint64_t path; };

static inline struct p9_qid p9_get_qid(struct p9_cur *c)
{
	struct p9_qid q;

	q.type = p9_get8(c);
	q.version = p9_get32(c);
	q.path = p9_get64(c);
	return q;
}
