// SPDX-License-Identifier: GPL-2.0-only
/*
 * AF_INET6 sockets, as far as a rack that speaks IPv4 can have them: dual-stack ones are IPv4
 * sockets whose names are shown mapped (RFC 4291 2.5.5.2, RFC 3493 3.7), :: is every address and
 * ::1 is 127.0.0.1. No other IPv6 address is the rack's (EADDRNOTAVAIL) and none has a route
 * (ENETUNREACH). A socket with IPV6_V6ONLY may be bound and may listen, so that programs that open
 * one beside an IPv4 one start; nobody reaches it. Its port is claimed on this pComponent only.
 *
 * Thread context; v6_lock is a leaf.
 */
#include "net/inet6.h"

#include <kern/random.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/in6.h>

#include "net/abi.h"

#define SIN6_LEN_MIN 24 /* SIN6_LEN_RFC2133 of Linux: sin6_scope_id may be missing */
#define V4_LOOPBACK 0x7f000001u
#define EPHEMERAL_FIRST 32768u /* net.ipv4.ip_local_port_range */
#define EPHEMERAL_LAST 60999u

static struct spinlock v6_lock = SPINLOCK_INIT("net v6");
static LIST_HEAD(, stub) claims = LIST_HEAD_INITIALIZER(claims); /* v6_lock */

/* ---- names ---- */

static bool zeros(const uint8_t *p, unsigned n)
{
	while (n && !*p)
		p++, n--;
	return !n;
}

enum v6_kind { V6_ANY, V6_LOOPBACK, V6_MAPPED, V6_OTHER };

static enum v6_kind kind_of(const uint8_t *a)
{
	if (zeros(a, 16))
		return V6_ANY;
	if (zeros(a, 15) && a[15] == 1)
		return V6_LOOPBACK;
	return zeros(a, 10) && a[10] == 0xff && a[11] == 0xff ? V6_MAPPED : V6_OTHER;
}

static uint32_t v4_of(const uint8_t *a)
{
	return (uint32_t)a[12] << 24 | (uint32_t)a[13] << 16 | (uint32_t)a[14] << 8 | a[15];
}

int inet6_name(struct stub *s, const void *addr, size_t len, bool binds, struct sock_name *out)
{
	struct sockaddr_in6 in = { 0 };
	const uint8_t *a = in.sin6_addr.s6_addr;
	int none = binds ? -EADDRNOTAVAIL : -ENETUNREACH;

	if (len < SIN6_LEN_MIN)
		return -EINVAL;
	memcpy(&in, addr, KMIN(len, sizeof(in)));
	if (in.sin6_family != AF_INET6)
		return -EAFNOSUPPORT;
	out->port = __builtin_bswap16(in.sin6_port);
	switch (kind_of(a)) {
	case V6_ANY:
		out->ip = binds ? 0 : V4_LOOPBACK;
		return 0;
	case V6_LOOPBACK:
		if (!binds && s->opts.v6only)
			return -ECONNREFUSED;
		s->lo6 = true;
		out->ip = V4_LOOPBACK;
		return 0;
	case V6_MAPPED:
		out->ip = v4_of(a);
		return !s->opts.v6only ? 0 : binds ? -EINVAL : -ENETUNREACH;
	default:
		return none;
	}
}

size_t inet6_show(const struct stub *s, struct sock_name n, void *out)
{
	struct sockaddr_in6 in = { .sin6_family = AF_INET6,
		.sin6_port = __builtin_bswap16(n.port) };
	uint8_t *a = in.sin6_addr.s6_addr;

	if (s->lo6 && n.ip == V4_LOOPBACK) {
		a[15] = 1;
	} else if (n.ip) {
		a[10] = a[11] = 0xff;
		for (unsigned i = 0; i < 4; i++)
			a[12 + i] = (uint8_t)(n.ip >> (24 - 8 * i));
	}
	memcpy(out, &in, sizeof(in));
	return sizeof(in);
}

/* ---- ports of sockets that are IPv6 only ---- */

static bool taken(const struct stub *s, uint16_t port)
{
	const struct stub *o;

	LIST_FOREACH(o, &claims, v6_link) {
		bool shared = o->opts.reuseport && s->opts.reuseport && o->uid == s->uid;

		if (o->local.port == port && o->type == s->type && !shared &&
		    !(o->opts.reuseaddr && s->opts.reuseaddr && o->state != STUB_LISTEN))
			return true;
	}
	return false;
}

static uint16_t choose(const struct stub *s)
{
	const uint32_t n = EPHEMERAL_LAST - EPHEMERAL_FIRST + 1;
	uint32_t start = (uint32_t)(random_u64() % n);

	for (uint32_t i = 0; i < n; i++) {
		uint16_t port = (uint16_t)(EPHEMERAL_FIRST + (start + i) % n);

		if (!taken(s, port))
			return port;
	}
	return 0;
}

int inet6_claim(struct stub *s, uint32_t ip, uint16_t port)
{
	int err = 0;

	spin_lock(&v6_lock);
	if (!port)
		port = choose(s);
	else if (taken(s, port))
		port = 0;
	if (port) {
		s->local = (struct sock_name){ ip, port };
		LIST_INSERT_HEAD(&claims, s, v6_link);
		s->v6_claimed = true;
	} else {
		err = -EADDRINUSE;
	}
	spin_unlock(&v6_lock);
	return err;
}

void inet6_release(struct stub *s)
{
	spin_lock(&v6_lock);
	if (s->v6_claimed)
		LIST_REMOVE(s, v6_link);
	s->v6_claimed = false;
	spin_unlock(&v6_lock);
}

/* ---- options ---- */

int inet6_setopt(struct stub *s, int name, int v)
{
	switch (name) {
	case IPV6_V6ONLY:
		if (s->bound)
			return -EINVAL;
		s->opts.v6only = v != 0;
		return 0;
	case IPV6_UNICAST_HOPS: /* nothing goes out by IPv6 */
	case IPV6_TCLASS:
	case IPV6_RECVPKTINFO:
	case IPV6_RECVERR:
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

bool inet6_getopt(const struct stub *s, int name, int *v)
{
	*v = name == IPV6_V6ONLY ? s->opts.v6only : name == IPV6_UNICAST_HOPS ? 64 : 0;
	return name == IPV6_V6ONLY || name == IPV6_UNICAST_HOPS || name == IPV6_TCLASS;
}
