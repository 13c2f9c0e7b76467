// SPDX-License-Identifier: GPL-2.0-only
/*
 * getsockopt() and setsockopt(). A table says for every option of one int where its mirror is,
 * what values it takes and whether the stack hears of it; the rest has functions. Reading never
 * costs a round trip but TCP_INFO.
 */
#include <asm/socket.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/in.h>
#include <linux/tcp.h>

#include "net/abi.h"
#include "net/family.h"
#include "net/inet6.h"
#include "net/join.h"
#include "net/sock_file.h"
#include "proc/task.h"
#include "syscall/table.h"

#define CONGESTION "reno" /* what lwIP does */

struct int_opt {
	uint16_t level, name;
	uint16_t at;          /* in struct stub_opts */
	bool truth;           /* any value but 0 is 1 */
	bool forward;
	int min, max;
};
#define OPT(level_, name_, field, truth_, forward_, min_, max_)                                   \
	{ level_, name_, offsetof(struct stub_opts, field), truth_, forward_, min_, max_ }

static const struct int_opt int_opts[] = {
	OPT(SOL_SOCKET, SO_REUSEADDR, reuseaddr, true, true, 0, 0),
	OPT(SOL_SOCKET, SO_REUSEPORT, reuseport, true, true, 0, 0),
	OPT(SOL_SOCKET, SO_KEEPALIVE, keepalive, true, true, 0, 0),
	OPT(SOL_SOCKET, SO_BROADCAST, broadcast, true, false, 0, 0),
	OPT(SOL_SOCKET, SO_OOBINLINE, oobinline, true, false, 0, 0),
	OPT(SOL_SOCKET, SO_DONTROUTE, dontroute, true, false, 0, 0),
	OPT(SOL_SOCKET, SO_PRIORITY, priority, false, false, 0, 6),
	OPT(IPPROTO_TCP, TCP_NODELAY, nodelay, true, true, 0, 0),
	OPT(IPPROTO_TCP, TCP_CORK, cork, true, false, 0, 0),
	OPT(IPPROTO_TCP, TCP_KEEPIDLE, keepidle, false, true, 1, 32767),
	OPT(IPPROTO_TCP, TCP_KEEPINTVL, keepintvl, false, true, 1, 32767),
	OPT(IPPROTO_TCP, TCP_KEEPCNT, keepcnt, false, true, 1, 127),
	OPT(IPPROTO_TCP, TCP_SYNCNT, syncnt, false, false, 1, 127),
	OPT(IPPROTO_TCP, TCP_LINGER2, linger2, false, false, -1, 120),
	OPT(IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout, false, true, 0, INT32_MAX),
	OPT(IPPROTO_TCP, TCP_DEFER_ACCEPT, defer_accept, false, false, 0, INT32_MAX),
	OPT(IPPROTO_TCP, TCP_QUICKACK, quickack, true, false, 0, 0),
	OPT(IPPROTO_TCP, TCP_NOTSENT_LOWAT, notsent_lowat, false, false, INT32_MIN, INT32_MAX),
	OPT(IPPROTO_IP, IP_TOS, tos, false, true, INT32_MIN, INT32_MAX),
	OPT(IPPROTO_IP, IP_PKTINFO, pktinfo, true, false, 0, 0),
	OPT(IPPROTO_IP, IP_RECVERR, recverr, true, false, 0, 0),
	OPT(IPPROTO_IP, IP_RECVTTL, recvttl, true, false, 0, 0),
	OPT(IPPROTO_IP, IP_RECVTOS, recvtos, true, false, 0, 0),
	OPT(IPPROTO_IP, IP_MTU_DISCOVER, mtu_discover, false, false, 0, 5),
	OPT(IPPROTO_IP, IP_MULTICAST_TTL, mcast_ttl, false, false, 0, 255),
	OPT(IPPROTO_IP, IP_MULTICAST_LOOP, mcast_loop, true, false, 0, 0),
};

static const struct int_opt *find_int(const struct stub *s, int level, int name)
{
	if (level == IPPROTO_TCP && s->type != SOCK_TYPE_STREAM)
		return NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(int_opts); i++)
		if (int_opts[i].level == level && int_opts[i].name == name)
			return &int_opts[i];
	return NULL;
}

static int *int_at(struct stub *s, const struct int_opt *o)
{
	return (int *)((char *)&s->opts + o->at);
}

/* ---- setsockopt ---- */

static int set_int(struct stub *s, const struct int_opt *o, int v)
{
	if (!o->truth && (v < o->min || v > o->max))
		return -EINVAL;
	if (o->truth)
		v = v != 0;
	else if (o->level == IPPROTO_IP)
		v &= 0xff;
	spin_lock(&s->lock);
	*int_at(s, o) = v;
	spin_unlock(&s->lock);
	if (o->forward)
		stub_forward_opt(s, o->level, o->name, (uint32_t)v);
	return 0;
}

/* Linux keeps twice the value, within bounds (sock_setsockopt()). */
static int buf_size(int v, int min)
{
	v = KMIN((uint32_t)v, (uint32_t)NET_BUF_MAX) * 2;
	return KMAX(v, min);
}

static void set_rcvbuf(struct stub *s, int v)
{
	v = buf_size(v, NET_RCVBUF_MIN);
	spin_lock(&s->lock);
	s->opts.rcvbuf = v;
	/* what was announced is not taken back; more is announced with the next report */
	if (s->state == STUB_CLOSED && LIST_EMPTY(&s->legs))
		s->rx_window = (uint32_t)v;
	else
		s->rx_window = KMAX(s->rx_window, (uint32_t)v);
	spin_unlock(&s->lock);
}

/* Never more than half of what can come without a reader. */
static void set_rcvlowat(struct stub *s, int v)
{
	int most = (int)s->rx_window / 2;

	if (v < 0 || v > most)
		v = most;
	s->opts.rcvlowat = v ? v : 1;
	rx_advance(s); /* there may be enough now */
}

static int set_linger(struct stub *s, uint64_t val, uint32_t len)
{
	int v[2];

	if (len < sizeof(v))
		return -EINVAL;
	if (copy_from_user(v, val, sizeof(v)))
		return -EFAULT;
	s->opts.linger_on = v[0] != 0;
	s->opts.linger_s = v[1] < 0 ? INT32_MAX : v[1];
	return 0;
}

static int set_timeo(uint64_t *ns, uint64_t val, uint32_t len)
{
	int64_t t[2];

	if (len < sizeof(t))
		return -EINVAL;
	if (copy_from_user(t, val, sizeof(t)))
		return -EFAULT;
	if (t[1] < 0 || t[1] >= 1000000)
		return -EDOM;
	if (t[0] < 0) /* Linux: gives up at once */
		*ns = 1;
	else if (t[0] > 1000000000)
		*ns = 0;
	else
		*ns = (uint64_t)t[0] * NSEC_PER_SEC + (uint64_t)t[1] * NSEC_PER_USEC;
	return 0;
}

static int set_ttl(struct stub *s, int v)
{
	if (v != -1 && (v < 1 || v > 255))
		return -EINVAL;
	s->opts.ttl = v == -1 ? 64 : v;
	stub_forward_opt(s, IPPROTO_IP, IP_TTL, (uint32_t)s->opts.ttl);
	return 0;
}

static int set_maxseg(struct stub *s, int v)
{
	if (v && (v < 88 || v > 32767))
		return -EINVAL;
	s->opts.maxseg = v;
	stub_forward_opt(s, IPPROTO_TCP, TCP_MAXSEG, (uint32_t)v);
	return 0;
}

static int set_congestion(uint64_t val, uint32_t len)
{
	char name[16] = { 0 };

	if (!len)
		return -EINVAL;
	if (copy_from_user(name, val, KMIN((size_t)len, sizeof(name) - 1)))
		return -EFAULT;
	return strcmp(name, CONGESTION) ? -ENOENT : 0;
}

/* Options of one int that are not plain. */
static int set_special(struct stub *s, int level, int name, int v)
{
	if (level == SOL_SOCKET && (name == SO_RCVBUF || name == SO_RCVBUFFORCE))
		set_rcvbuf(s, v);
	else if (level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_SNDBUFFORCE))
		s->opts.sndbuf = buf_size(v, NET_SNDBUF_MIN);
	else if (level == SOL_SOCKET && name == SO_RCVLOWAT)
		set_rcvlowat(s, v);
	else if (level == IPPROTO_TCP && name == TCP_MAXSEG && s->type == SOCK_TYPE_STREAM)
		return set_maxseg(s, v);
	else if (level == IPPROTO_IP && name == IP_TTL)
		return set_ttl(s, v);
	else
		return -ENOPROTOOPT;
	return 0;
}

static int read_int(uint64_t val, uint32_t len, bool byte_ok, int *v)
{
	uint8_t b;

	if (len >= sizeof(*v))
		return copy_from_user(v, val, sizeof(*v)) ? -EFAULT : 0;
	if (!byte_ok || !len)
		return -EINVAL;
	if (copy_from_user(&b, val, 1))
		return -EFAULT;
	*v = b;
	return 0;
}

static int set_opt(struct stub *s, int level, int name, uint64_t val, uint32_t len)
{
	const struct int_opt *o = find_int(s, level, name);
	int v, err;

	if (level == SOL_SOCKET && name == SO_LINGER)
		return set_linger(s, val, len);
	if (level == SOL_SOCKET && name == SO_RCVTIMEO)
		return set_timeo(&s->opts.rcvtimeo_ns, val, len);
	if (level == SOL_SOCKET && name == SO_SNDTIMEO)
		return set_timeo(&s->opts.sndtimeo_ns, val, len);
	if (level == IPPROTO_TCP && name == TCP_CONGESTION && s->type == SOCK_TYPE_STREAM)
		return set_congestion(val, len);
	err = read_int(val, len, level == IPPROTO_IP, &v);
	if (err)
		return err;
	if (level == IPPROTO_IPV6 && s->inet6)
		return inet6_setopt(s, name, v);
	return o ? set_int(s, o, v) : set_special(s, level, name, v);
}

static int64_t sys_setsockopt(struct syscall_args *a)
{
	int err;
	struct file *f = sock_fd_get((int)a->a[0], &err);

	if (!f)
		return err;
	err = (int)a->a[4] < 0 ? -EINVAL : set_opt(sock_stub(f), (int)a->a[1], (int)a->a[2],
						   a->a[3], (uint32_t)a->a[4]);
	file_put(f);
	return err;
}
SOCKET_CALL_DEFINE(__NR_setsockopt, "setsockopt", sys_setsockopt);

/* ---- getsockopt ---- */

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
	const struct int_opt *o = find_int(s, level, name);

	if (o) {
		out->v = *int_at(s, o);
		return sizeof(out->v);
	}
	if (level == IPPROTO_IPV6 && s->inet6)
		return inet6_getopt(s, name, &out->v) ? sizeof(out->v) : 0;
	if (level == SOL_SOCKET)
		return get_socket(s, name, out);
	if (level == IPPROTO_TCP && s->type == SOCK_TYPE_STREAM)
		return get_tcp(s, name, out);
	if (level != IPPROTO_IP || name != IP_TTL)
		return 0;
	out->v = s->opts.ttl;
	return sizeof(out->v);
}

static int unknown(const struct stub *s, int level)
{
	return level == SOL_SOCKET || (level == IPPROTO_TCP && s->type == SOCK_TYPE_STREAM) || 
	       (level == IPPROTO_IPV6 && s->inet6) || level == IPPROTO_IP ? -ENOPROTOOPT : -EOPNOTSUPP;
}

static int64_t sys_getsockopt(struct syscall_args *a)
{
	union optval val = { .info = { 0 } };
	int err, len;
	struct file *f = sock_fd_get((int)a->a[0], &err);
	size_t n;

	if (!f)
		return err;
	if (copy_from_user(&len, a->a[4], sizeof(len)))
		err = -EFAULT;
	else if (len < 0)
		err = -EINVAL;
	if (!err) {
		n = get_opt(sock_stub(f), (int)a->a[1], (int)a->a[2], &val);
		len = (int)KMIN(n, (size_t)len);
		err = !n ? unknown(sock_stub(f), (int)a->a[1]) :
		      copy_to_user(a->a[3], &val, (size_t)len) ||
		      copy_to_user(a->a[4], &len, sizeof(len)) ? -EFAULT : 0;
	}
	file_put(f);
	return err;
}
SOCKET_CALL_DEFINE(__NR_getsockopt, "getsockopt", sys_getsockopt);
