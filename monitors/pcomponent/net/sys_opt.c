// SPDX-License-Identifier: GPL-2.0-only
/*
 * setsockopt(). A table says for every option of one int where its mirror is, what values it takes
 * and whether the stack hears of it; the rest has functions. docs/sockets.md lists them all.
 */
#include <asm/socket.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/in.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "net/abi.h"
#include "net/family.h"
#include "net/inet6.h"
#include "net/opts.h"
#include "net/sock_file.h"
#include "proc/task.h"
#include "syscall/table.h"

#define TOS_ECN 3
#define OPT(level_, name_, field, truth_, forward_, min_, max_)                                   \
	{ level_, name_, offsetof(struct stub_opts, field), truth_, forward_, min_, max_ }

static const struct int_opt int_opts[] = {
	OPT(SOL_SOCKET, SO_REUSEADDR, reuseaddr, true, true, 0, 0),
	OPT(SOL_SOCKET, SO_REUSEPORT, reuseport, true, true, 0, 0),
	OPT(SOL_SOCKET, SO_KEEPALIVE, keepalive, true, true, 0, 0),
	OPT(SOL_SOCKET, SO_BROADCAST, broadcast, true, false, 0, 0),
	OPT(SOL_SOCKET, SO_OOBINLINE, oobinline, true, false, 0, 0),
	OPT(SOL_SOCKET, SO_DONTROUTE, dontroute, true, false, 0, 0),
	OPT(SOL_SOCKET, SO_PRIORITY, priority, false, false, INT32_MIN, INT32_MAX),
	OPT(SOL_SOCKET, SO_MARK, mark, false, false, INT32_MIN, INT32_MAX),
	OPT(SOL_SOCKET, SO_NO_CHECK, no_check, true, false, 0, 0),
	OPT(SOL_SOCKET, SO_RXQ_OVFL, rxq_ovfl, true, false, 0, 0),
	OPT(SOL_SOCKET, SO_BUSY_POLL, busy_poll, false, false, 0, INT32_MAX),
	OPT(IPPROTO_TCP, TCP_NODELAY, nodelay, true, true, 0, 0),
	OPT(IPPROTO_TCP, TCP_CORK, cork, true, false, 0, 0),
	OPT(IPPROTO_TCP, TCP_KEEPIDLE, keepidle, false, true, 1, 32767),
	OPT(IPPROTO_TCP, TCP_KEEPINTVL, keepintvl, false, true, 1, 32767),
	OPT(IPPROTO_TCP, TCP_KEEPCNT, keepcnt, false, true, 1, 127),
	OPT(IPPROTO_TCP, TCP_SYNCNT, syncnt, false, false, 1, 127),
	OPT(IPPROTO_TCP, TCP_LINGER2, linger2, false, false, -1, 120),
	OPT(IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout, false, true, 0, INT32_MAX),
	OPT(IPPROTO_TCP, TCP_DEFER_ACCEPT, defer_accept, false, true, INT32_MIN, INT32_MAX),
	OPT(IPPROTO_TCP, TCP_WINDOW_CLAMP, window_clamp, false, false, 0, INT32_MAX),
	OPT(IPPROTO_TCP, TCP_QUICKACK, quickack, true, false, 0, 0),
	OPT(IPPROTO_TCP, TCP_NOTSENT_LOWAT, notsent_lowat, false, false, INT32_MIN, INT32_MAX),
	OPT(IPPROTO_UDP, UDP_CORK, udp_cork, true, false, 0, 0),
	OPT(IPPROTO_IP, IP_TOS, tos, false, true, INT32_MIN, INT32_MAX),
	OPT(IPPROTO_IP, IP_PKTINFO, pktinfo, true, false, 0, 0),
	OPT(IPPROTO_IP, IP_RECVERR, recverr, true, false, 0, 0),
	OPT(IPPROTO_IP, IP_RECVTTL, recvttl, true, false, 0, 0),
	OPT(IPPROTO_IP, IP_RECVTOS, recvtos, true, false, 0, 0),
	OPT(IPPROTO_IP, IP_MTU_DISCOVER, mtu_discover, false, false, 0, 5),
	OPT(IPPROTO_IP, IP_MULTICAST_TTL, mcast_ttl, false, false, 0, 255),
	OPT(IPPROTO_IP, IP_MULTICAST_LOOP, mcast_loop, true, false, 0, 0),
	OPT(IPPROTO_IP, IP_MULTICAST_ALL, mcast_all, true, false, 0, 0),
	OPT(IPPROTO_IP, IP_FREEBIND, freebind, true, false, 0, 0),
	OPT(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, port_late, true, false, 0, 0),
};

const struct int_opt *opt_find_int(const struct stub *s, int level, int name)
{
	if (level == (s->type == SOCK_TYPE_STREAM ? IPPROTO_UDP : IPPROTO_TCP))
		return NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(int_opts); i++)
		if (int_opts[i].level == level && int_opts[i].name == name)
			return &int_opts[i];
	return NULL;
}

int *opt_int_at(struct stub *s, const struct int_opt *o)
{
	return (int *)((char *)&s->opts + o->at);
}

/* ---- setsockopt ---- */

/* Linux counts in retransmissions of the SYN|ACK: the sum of 1, 2, 4 ... seconds above it. */
static int defer_round(int v)
{
	int t = 1, sum = v > 0;

	while (sum < v) {
		t = KMIN(t * 2, 120);
		sum += t;
	}
	return sum;
}

static bool allowed(const struct int_opt *o, int v)
{
	if (o->level != SOL_SOCKET || (o->name != SO_MARK && o->name != SO_PRIORITY))
		return true;
	return task_privileged() || (o->name == SO_PRIORITY && v >= 0 && v <= 6);
}

static int set_int(struct stub *s, const struct int_opt *o, int v)
{
	if (!o->truth && (v < o->min || v > o->max))
		return -EINVAL;
	if (!allowed(o, v))
		return -EPERM;
	if (o->truth)
		v = v != 0;
	else if (o->level == IPPROTO_IP)
		v &= 0xff;
	else if (o->level == IPPROTO_TCP && o->name == TCP_DEFER_ACCEPT)
		v = defer_round(v < 0 ? 0 : KMIN(v, 32767));
	if (o->name == IP_TOS && o->level == IPPROTO_IP && s->type == SOCK_TYPE_STREAM)
		v &= ~TOS_ECN; /* TCP's own business */
	spin_lock(&s->lock);
	*opt_int_at(s, o) = v;
	spin_unlock(&s->lock);
	if (o->forward)
		stub_forward_opt(s, o->level, o->name, (uint32_t)v);
	if (o->level == IPPROTO_TCP && o->name == TCP_CORK && !v)
		stub_uncork(s);
	if (o->level == IPPROTO_UDP && o->name == UDP_CORK && !v)
		(void)dgram_push(s);
	return 0;
}

/* The name of an interface that is there, or nothing; the address is what really binds. */
static int set_device(struct stub *s, uint64_t val, uint32_t len)
{
	char name[sizeof(s->opts.device)] = { 0 };
	struct gnm_place at;
	unsigned n;

	if (copy_from_user(name, val, KMIN((size_t)len, sizeof(name) - 1)))
		return -EFAULT;
	n = (unsigned)(name[3] - '0');
	if (name[0] && strcmp(name, "lo") && (memcmp(name, "eth", 3) || n > 9 || name[4] ||
					      gnm_resolve(0, &at) || n >= le32_get(at.n)))
		return -ENODEV;
	if (s->opts.device[0] && !task_privileged())
		return -EPERM;
	memcpy(s->opts.device, name, sizeof(name));
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
	else if (level == SOL_SOCKET && name == SO_TIMESTAMP)
		s->opts.timestamp = v ? 1 : 0;
	else if (level == SOL_SOCKET && name == SO_TIMESTAMPNS)
		s->opts.timestamp = v ? 2 : 0;
	else if (level == IPPROTO_TCP && name == TCP_MAXSEG && s->type == SOCK_TYPE_STREAM)
		return set_maxseg(s, v);
	else if (level == IPPROTO_IP && name == IP_TTL)
		return set_ttl(s, v);
	else
		return -ENOPROTOOPT;
	return 0;
}

/* The IP level takes a byte too, and nothing at all for 0 (do_ip_setsockopt() of Linux). */
static int read_int(uint64_t val, uint32_t len, bool byte_ok, int *v)
{
	uint8_t b = 0;

	if (len >= sizeof(*v))
		return copy_from_user(v, val, sizeof(*v)) ? -EFAULT : 0;
	if (!byte_ok)
		return -EINVAL;
	if (len && copy_from_user(&b, val, 1))
		return -EFAULT;
	*v = b;
	return 0;
}

/* Levels that look at the value before they find that they do not know the name. */
static bool reads_first(const struct stub *s, int level)
{
	return level == SOL_SOCKET || (level == IPPROTO_IPV6 && s->inet6) ||
	       level == (s->type == SOCK_TYPE_STREAM ? IPPROTO_TCP : IPPROTO_UDP);
}

static int set_opt(struct stub *s, int level, int name, uint64_t val, uint32_t len)
{
	const struct int_opt *o = opt_find_int(s, level, name);
	int v, err;

	if (level == SOL_SOCKET && name == SO_LINGER)
		return set_linger(s, val, len);
	if (level == SOL_SOCKET && name == SO_RCVTIMEO)
		return set_timeo(&s->opts.rcvtimeo_ns, val, len);
	if (level == SOL_SOCKET && name == SO_SNDTIMEO)
		return set_timeo(&s->opts.sndtimeo_ns, val, len);
	if (level == SOL_SOCKET && name == SO_BINDTODEVICE)
		return set_device(s, val, len);
	if (level == IPPROTO_TCP && name == TCP_CONGESTION && s->type == SOCK_TYPE_STREAM)
		return set_congestion(val, len);
	if (!reads_first(s, level) && !o && !(level == IPPROTO_IP && name == IP_TTL))
		return -ENOPROTOOPT;
	if (level == IPPROTO_IP && name == IP_TTL && !len)
		return -EINVAL;
	if (level == IPPROTO_IP && name == IP_MULTICAST_TTL && s->type == SOCK_TYPE_STREAM)
		return -EINVAL;
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
