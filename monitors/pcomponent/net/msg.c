// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ancillary data of sendmsg() and recvmsg() (cmsg(3), ip(7)): IP_PKTINFO, IP_TTL, IP_TOS both
 * ways, SO_TIMESTAMP, and the error queue.
 */
#include <asm/socket.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <kern/uspace.h>
#include <linux/in.h>
#include <linux/time.h>
#include <linux/errqueue.h> /* wants struct timespec */

#include "net/abi.h"
#include "net/sock_file.h"

#define CMSG_DATA_MAX 48
#define LO_INDEX 1
#define ETH_INDEX 2

/* ---- what the caller sends ---- */

static int read_one(const struct user_cmsghdr *c, const uint8_t *data, uint64_t n,
		    struct dgram_meta *m)
{
	struct in_pktinfo info;
	int v;

	if (c->level == SOL_SOCKET || c->level != IPPROTO_IP)
		return c->level == SOL_SOCKET ? -EINVAL : 0;
	if (c->type == IP_PKTINFO && n == sizeof(info)) {
		memcpy(&info, data, sizeof(info));
		m->local = __builtin_bswap32(info.ipi_spec_dst.s_addr);
		return 0;
	}
	if ((c->type != IP_TTL && c->type != IP_TOS) || (n != sizeof(v) && n != 1))
		return -EINVAL;
	v = data[0];
	if (n == sizeof(v))
		memcpy(&v, data, sizeof(v));
	if (v < (c->type == IP_TTL) || v > 255)
		return -EINVAL;
	if (c->type == IP_TTL) {
		m->has_ttl = true;
		m->ttl = (uint8_t)v;
	} else {
		m->has_tos = true;
		m->tos = (uint8_t)v;
	}
	return 0;
}

int cmsg_read(const struct user_msghdr *h, struct dgram_meta *m)
{
	uint64_t at = 0, len = h->control ? h->controllen : 0;
	uint8_t data[CMSG_DATA_MAX] = { 0 };
	struct user_cmsghdr c;

	while (len - at >= sizeof(c)) {
		if (copy_from_user(&c, h->control + at, sizeof(c)))
			return -EFAULT;
		if (c.len < sizeof(c) || c.len > len - at)
			return -EINVAL;
		uint64_t n = c.len - sizeof(c);

		if (copy_from_user(data, h->control + at + sizeof(c), KMIN(n, sizeof(data))))
			return -EFAULT;
		int err = read_one(&c, data, n, m);

		if (err)
			return err;
		at += KMIN(ROUND_UP(c.len, 8u), len - at);
	}
	return 0;
}

/* ---- what the caller gets ---- */

struct out {
	uint64_t at, left; /* of the caller's buffer */
	uint64_t used;
	uint32_t flags;
	int err;
};

/* Cut when there is no room, as put_cmsg() of Linux does. */
static void put_at(struct out *o, int level, int type, const void *data, uint64_t n)
{
	struct user_cmsghdr c = { .len = sizeof(c) + n, .level = level, .type = type };

	if (o->left < sizeof(c)) {
		o->flags |= MSG_CTRUNC;
		return;
	}
	if (o->left < c.len) {
		o->flags |= MSG_CTRUNC;
		c.len = o->left;
	}
	if (copy_to_user(o->at, &c, sizeof(c)) ||
	    copy_to_user(o->at + sizeof(c), data, c.len - sizeof(c))) {
		o->err = -EFAULT;
		return;
	}
	uint64_t space = KMIN(ROUND_UP(c.len, 8u), o->left);

	o->at += space;
	o->left -= space;
	o->used += space;
}

static void put(struct out *o, int type, const void *data, uint64_t n)
{
	put_at(o, IPPROTO_IP, type, data, n);
}

/* What came before the option was set is stamped now, as on Linux. */
static void put_time(struct out *o, const struct stub *s, const struct dgram_meta *m)
{
	uint64_t ns = m->at_ns ? m->at_ns : clock_wall_ns();
	int64_t t[2] = { (int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC) };

	if (s->opts.timestamp == 1)
		t[1] /= (int64_t)NSEC_PER_USEC;
	put_at(o, SOL_SOCKET, s->opts.timestamp == 1 ? SCM_TIMESTAMP : SCM_TIMESTAMPNS, t,
	       sizeof(t));
}

/* Interfaces are numbered as if.c names them: lo, then the NICs by node. */
static int index_of(const struct dgram_meta *m)
{
	struct gnm_place at;

	if (m->local >> 24 == 127 || gnm_resolve(0, &at))
		return LO_INDEX;
	for (uint32_t i = 0; i < le32_get(at.n); i++)
		if (le16_get(at.at[i].node) == m->node)
			return ETH_INDEX + (int)i;
	return LO_INDEX;
}

static void put_pktinfo(struct out *o, const struct dgram_meta *m)
{
	struct in_pktinfo info = { .ipi_ifindex = index_of(m),
		.ipi_spec_dst.s_addr = __builtin_bswap32(m->local),
		.ipi_addr.s_addr = __builtin_bswap32(m->local) };

	put(o, IP_PKTINFO, &info, sizeof(info));
}

static int finish(const struct out *o, struct user_msghdr *h)
{
	h->controllen = o->used;
	h->flags |= o->flags;
	return o->err;
}

int cmsg_write(struct stub *s, struct user_msghdr *h, const struct dgram_meta *m)
{
	struct out o = { h->control, h->control ? h->controllen : 0, 0, 0, 0 };
	int ttl = m->ttl;

	if (h->flags & MSG_ERRQUEUE)
		return 0; /* errqueue_recv() did it */
	if (m->has_name && s->opts.timestamp)
		put_time(&o, s, m);
	if (m->has_name && s->opts.pktinfo)
		put_pktinfo(&o, m);
	if (m->has_name && s->opts.recvttl)
		put(&o, IP_TTL, &ttl, sizeof(ttl));
	if (m->has_name && s->opts.recvtos)
		put(&o, IP_TOS, &m->tos, sizeof(m->tos));
	return finish(&o, h);
}

ssize_t_k errqueue_recv(struct stub *s, struct uio *to, struct user_msghdr *h,
			struct dgram_meta *m)
{
	struct out o = { h->control, h->control ? h->controllen : 0, 0, 0, 0 };
	struct dgram_error *e = dgram_error_take(s);
	struct { struct sock_extended_err ee; struct sockaddr_in offender; } ext = { .ee = { 0 } };
	ssize_t_k n;

	if (!e)
		return -EAGAIN;
	ext.ee = (struct sock_extended_err){ .ee_errno = (uint32_t)e->error,
		.ee_origin = SO_EE_ORIGIN_ICMP, .ee_type = e->type, .ee_code = e->code,
		.ee_info = e->info };
	ext.offender = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = __builtin_bswap32(e->offender) };
	*m = (struct dgram_meta){ .name = e->dst, .has_name = true,
		.truncated = to->left < e->len };
	n = e->len ? uio_copy_out(to, e->data, e->len) : 0;
	put(&o, IP_RECVERR, &ext, sizeof(ext));
	kfree(e);
	h->flags |= MSG_ERRQUEUE;
	return finish(&o, h) ? -EFAULT : n;
}
