// SPDX-License-Identifier: GPL-2.0-only
/* getsockopt(): from the mirrors; only TCP_INFO is a round trip. docs/sockets.md has them all. */
#include <asm/socket.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/in.h>
#include <linux/tcp.h>

#include "net/abi.h"
#include "net/family.h"
#include "net/inet6.h"
#include "net/join.h"
#include "net/opts.h"
#include "net/sock_file.h"
#include "proc/task.h"
#include "syscall/table.h"

#define OPT_EMPTY SIZE_MAX /* there, and of no length */
#define LOOPBACK_MTU 65536
#define ETHERNET_MTU 1500

union optval {
	int v;
	int pair[2];
	int64_t tv[2];
	uint32_t cred[3];
	char text[16];
	uint8_t info[sizeof(struct tcp_info)];
};

static size_t get_timeo(uint64_t ns, union optval *out)
{
	out->tv[0] = (int64_t)(ns / NSEC_PER_SEC);
	out->tv[1] = (int64_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC);
	return sizeof(out->tv);
}

static size_t get_socket(struct stub *s, int name, union optval *out)
{
	switch (name) {
	case SO_TYPE:
		out->v = s->type;
		break;
	case SO_PROTOCOL:
		out->v = s->protocol;
		break;
	case SO_DOMAIN:
		out->v = s->inet6 ? AF_INET6 : AF_INET;
		break;
	case SO_ERROR:
		out->v = stub_take_error(s);
		break;
	case SO_ACCEPTCONN:
		out->v = s->state == STUB_LISTEN;
		break;
	case SO_RCVBUF:
		out->v = (int)stub_rcvbuf(s);
		break;
	case SO_SNDBUF:
		out->v = (int)stub_sndbuf(s);
		break;
	case SO_RCVLOWAT:
		out->v = s->opts.rcvlowat;
		break;
	case SO_TIMESTAMP:
		out->v = s->opts.timestamp == 1;
		break;
	case SO_TIMESTAMPNS:
		out->v = s->opts.timestamp == 2;
		break;
	case SO_SNDLOWAT:
		out->v = 1;
		break;
	case SO_LINGER:
		out->pair[0] = s->opts.linger_on;
		out->pair[1] = s->opts.linger_s;
		return sizeof(out->pair);
	case SO_RCVTIMEO:
		return get_timeo(s->opts.rcvtimeo_ns, out);
	case SO_SNDTIMEO:
		return get_timeo(s->opts.sndtimeo_ns, out);
	case SO_BINDTODEVICE:
		memcpy(out->text, s->opts.device, sizeof(out->text));
		return out->text[0] ? strlen(out->text) + 1 : OPT_EMPTY;
	case SO_PEERCRED: /* nobody, as for every socket that is not AF_UNIX */
		out->cred[0] = 0;
		out->cred[1] = out->cred[2] = UINT32_MAX;
		return sizeof(out->cred);
	default:
		return 0;
	}
	return sizeof(out->v);
}

/* States as tcp_info has them. */
static uint8_t tcp_state(const struct stub *s)
{
	switch (s->state) {
	case STUB_LISTEN:
		return 10; /* TCP_LISTEN */
	case STUB_CONNECTING:
		return 2;  /* TCP_SYN_SENT */
	case STUB_UP:
		return s->ended ? 7 : 1; /* TCP_CLOSE, TCP_ESTABLISHED */
	default:
		return 7;
	}
}

/* The stack's figures; where there is no connection to ask, the state alone. */
static size_t get_info(struct stub *s, union optval *out)
{
	struct leg *l;

	spin_lock(&s->lock);
	l = s->leg && !s->leg->gone && !leg_joined(s->leg) ? leg_get(s->leg) : NULL;
	out->info[0] = tcp_state(s);
	spin_unlock(&s->lock);
	if (l) {
		struct sock_getopt m = { .skel = l->skel, .level = le32(IPPROTO_TCP),
			.name = le32(TCP_INFO) };
		struct tcp_info info = { 0 };

		if (!fit_call(net.fit, l->peer->node, OP_SOCK_GETOPT, &m, sizeof(m), &info,
			      sizeof(info), NULL))
			memcpy(out->info, &info, sizeof(info));
		leg_put(l);
	}
	return sizeof(out->info);
}

static size_t get_tcp(struct stub *s, int name, union optval *out)
{
	switch (name) {
	case TCP_MAXSEG:
		out->v = s->mss && s->state == STUB_UP ? (int)s->mss : s->opts.maxseg ?: 536;
		return sizeof(out->v);
	case TCP_CONGESTION:
		memcpy(out->text, CONGESTION, sizeof(CONGESTION));
		return sizeof(out->text);
	case TCP_INFO:
		return get_info(s, out);
	default:
		return 0;
	}
}

static size_t get_opt(struct stub *s, int level, int name, union optval *out)
{
	const struct int_opt *o = opt_find_int(s, level, name);

	if (o) {
		out->v = *opt_int_at(s, o);
		return sizeof(out->v);
	}
	if (level == IPPROTO_IPV6 && s->inet6)
		return inet6_getopt(s, name, &out->v) ? sizeof(out->v) : 0;
	if (level == SOL_SOCKET)
		return get_socket(s, name, out);
	if (level == IPPROTO_TCP && s->type == SOCK_TYPE_STREAM)
		return get_tcp(s, name, out);
	if (level != IPPROTO_IP || (name != IP_TTL && name != IP_MTU))
		return 0;
	out->v = s->opts.ttl;
	if (name == IP_MTU)
		out->v = s->remote.ip >> 24 == 127 ? LOOPBACK_MTU : ETHERNET_MTU;
	return sizeof(out->v);
}

static int unknown(const struct stub *s, int level)
{
	return level == SOL_SOCKET || (level == IPPROTO_IPV6 && s->inet6) || level == IPPROTO_IP ||
	       level == (s->type == SOCK_TYPE_STREAM ? IPPROTO_TCP : IPPROTO_UDP) ? -ENOPROTOOPT :
	       -EOPNOTSUPP;
}

/* IP_MTU is that of the way to the peer. */
static bool no_peer(const struct stub *s, int level, int name)
{
	return level == IPPROTO_IP && name == IP_MTU && !s->connected && s->state != STUB_UP;
}

static int64_t sys_getsockopt(struct syscall_args *a)
{
	union optval val = { .info = { 0 } };
	int err, len;
	struct file *f = sock_fd_get((int)a->a[0], &err);
	size_t n;

	if (!f)
		return err;
	if (unknown(sock_stub(f), (int)a->a[1]) == -EOPNOTSUPP)
		err = -EOPNOTSUPP; /* of a level that is not there nothing is read */
	else if (copy_from_user(&len, a->a[4], sizeof(len)))
		err = -EFAULT;
	else if (len < 0)
		err = -EINVAL;
	if (!err) {
		n = get_opt(sock_stub(f), (int)a->a[1], (int)a->a[2], &val);
		if (n == sizeof(int) && (int)a->a[1] == IPPROTO_IP && len > 0 &&
		    len < (int)sizeof(int) && val.v >= 0 && val.v <= 255)
			len = 1; /* as a byte */
		len = n == OPT_EMPTY ? 0 : (int)KMIN(n, (size_t)len);
		err = no_peer(sock_stub(f), (int)a->a[1], (int)a->a[2]) ? -ENOTCONN :
		      !n ? unknown(sock_stub(f), (int)a->a[1]) :
		      copy_to_user(a->a[3], &val, (size_t)len) ||
		      copy_to_user(a->a[4], &len, sizeof(len)) ? -EFAULT : 0;
	}
	file_put(f);
	return err;
}
SOCKET_CALL_DEFINE(__NR_getsockopt, "getsockopt", sys_getsockopt);
