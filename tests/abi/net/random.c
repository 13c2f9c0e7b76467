// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random sequences of calls on the two ends of a connection, with quiescence between the steps:
 * each step waits until both output queues are empty, so that what the next one returns is decided.
 * A case is a seed; the same seed makes the same calls everywhere. Both ends are ours: on the rack
 * they are joined, or two skeletons' (net.local=off).
 */
#include <linux/sockios.h>
#include "net.h"

enum { STEPS = 60 };

struct source {
	uint64_t seed, n;
};

static uint64_t next(struct source *s, unsigned range)
{
	uint64_t x = s->seed * 0x9e3779b97f4a7c15ULL + s->n++ * 0xbf58476d1ce4e5b9ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return (x ^ (x >> 31)) % range;
}

static char buf[20000];
static int ends[2];

/* What is under way from here; nothing, once the connection has ended. */
static int outq(int fd)
{
	struct pollfd p = { .fd = fd };
	int v = 0;

	if (fd < 0 || (poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR)))
		return 0;
	return ioctl(fd, SIOCOUTQ, &v) ? 0 : v;
}

/* What each end has sent and received, and whether it has sent its FIN. */
static long sent[2], got[2];
static bool fin[2];

/* The end has everything that the other one sent, or the connection has ended. */
static bool heard(int end)
{
	struct pollfd p = { .fd = ends[end], .events = POLLRDHUP };
	int n = 0;

	if (ends[0] == ends[1] || (poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR)))
		return true;
	if (fin[!end] && !(p.revents & POLLRDHUP))
		return false;
	return ioctl(ends[end], FIONREAD, &n) || n >= sent[!end] - got[end];
}

/* Nothing under way, and both ends have heard of everything. */
static void quiet(void)
{
	for (int i = 0; i < 400 && (outq(ends[0]) || outq(ends[1]) || !heard(0) || !heard(1)); i++)
		sleep_ms(5);
	sleep_ms(12); /* a RST is in no queue */
}

/* One of the ends is closed: until the other one, now both, knows. */
static void await_end(void)
{
	struct pollfd p = { .fd = ends[0], .events = POLLRDHUP };

	poll(&p, 1, 2000);
	quiet();
}

/* The same bytes by sendmsg(), in three pieces. */
static long send_pieces(int end, int n, int flags)
{
	struct iovec v[3] = { { buf, (size_t)n / 3 }, { buf + n / 3, 0 },
			      { buf + n / 3, (size_t)(n - n / 3) } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 3 };

	return sendmsg(ends[end], &m, MSG_NOSIGNAL | MSG_DONTWAIT | flags);
}

static long recv_pieces(int end, int n, int flags, int *out)
{
	struct iovec v[2] = { { buf, (size_t)n / 2 }, { buf + n / 2, (size_t)(n - n / 2) } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2, .msg_flags = -1 };
	long r = recvmsg(ends[end], &m, flags | MSG_DONTWAIT);

	*out = r < 0 ? 0 : m.msg_flags;
	return r;
}

static void step_send(struct source *s, int end)
{
	static const int sizes[] = { 0, 1, 10, 100, 1460, 1461, 4096, 5000 };
	int n = sizes[next(s, 8)], flags = (int)next(s, 4) ? 0 : MSG_MORE;
	long r;

	for (int i = 0; i < n; i++)
		buf[i] = (char)(i * 13 + (int)s->n);
	errno = 0;
	if (s->seed % 3)
		r = send(ends[end], buf, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT | flags);
	else
		r = send_pieces(end, n, flags);
	sent[end] += r > 0 ? r : 0;
	if (flags && r > 0) /* what MSG_MORE held back has to go before it is quiet */
		setsockopt(ends[end], IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	say("%d send %d%s: %ld %s", end, n, flags ? " more" : "", r,
	    r < 0 ? errno_name(errno) : "");
}

static void step_recv(struct source *s, int end)
{
	static const int sizes[] = { 1, 3, 100, 1000, 4096, 20000 },
			 all[] = { 0, MSG_PEEK, MSG_WAITALL, MSG_TRUNC };
	int n = sizes[next(s, 6)], flags = all[next(s, 8) < 5 ? 0 : next(s, 4)];
	unsigned sum = 0;
	int out = 0;
	long r;

	errno = 0;
	if (s->seed % 3)
		r = recv(ends[end], buf, (size_t)n, flags | MSG_DONTWAIT);
	else
		r = recv_pieces(end, n, flags, &out);
	got[end] += r > 0 && flags != MSG_PEEK ? r : 0;
	for (long i = 0; i < r && i < n && flags != MSG_TRUNC; i++)
		sum = sum * 31 + (unsigned char)buf[i];
	say("%d recv %d flags %x: %ld %s %x %x", end, n, flags, r, r < 0 ? errno_name(errno) : "",
	    sum, out);
}

/* Not for reading: when data comes after that, Linux versions differ. */
static void step_shutdown(struct source *s, int end)
{
	int how = SHUT_WR;
	long r;

	errno = 0;
	r = shutdown(ends[end], how);
	fin[end] |= !r;
	say("%d shutdown %d: %ld %s", end, how, r, r < 0 ? errno_name(errno) : "");
}

static void step_look(struct source *s, int end)
{
	int n = -1;
	struct pollfd p = { .fd = ends[end], .events = POLLIN | POLLOUT | POLLRDHUP };

	poll(&p, 1, 0);
	ioctl(ends[end], FIONREAD, &n);
	say("%d look: poll %x, %d to read", end, p.revents, n);
}

static void step_option(struct source *s, int end)
{
	int v = (int)next(s, 2), e = 0;
	socklen_t len = sizeof(e);

	switch (next(s, 4)) {
	case 0:
		setsockopt(ends[end], IPPROTO_TCP, TCP_NODELAY, &v, sizeof(v));
		break;
	case 3: /* another descriptor of the same socket: its first one's end changes nothing */
		e = dup(ends[end]);
		close(ends[end]);
		ends[end] = e;
		break;
	case 1:
		getsockopt(ends[end], SOL_SOCKET, SO_ERROR, &e, &len);
		say("%d error %s", end, e ? errno_name(e) : "none");
		break;
	default:
		say_peer(ends[end]);
	}
}

static void step(struct source *s)
{
	int end = (int)next(s, 2);

	switch (next(s, 20)) {
	case 0:
		if (s->n > STEPS) /* not too early */
			step_shutdown(s, end);
		break;
	case 1 ... 7:
		step_send(s, end);
		break;
	case 8 ... 15:
		step_recv(s, end);
		break;
	case 16 ... 17:
		step_look(s, end);
		break;
	default:
		step_option(s, end);
	}
	quiet();
}

/* A connection whose two ends are ours, by the machine's own address or the loopback one. */
static void make_ends(uint32_t ip)
{
	struct sockaddr_in a = addr(ip, 0);
	int l = tcp();

	NEED(!bind(l, SA(a)) && !listen(l, 1));
	a.sin_port = htons((uint16_t)port_of(l));
	ends[0] = tcp();
	NEED(!connect(ends[0], SA(a)));
	ends[1] = accept(l, NULL, NULL);
	NEED(ends[1] >= 0);
	close(l);
}

static void sequence(uint64_t seed)
{
	struct source s = { .seed = seed };

	make_ends(seed % 2 ? LOOP : my_ip());
	for (int i = 0; i < STEPS; i++)
		step(&s);
	if (next(&s, 2)) {
		int end = (int)next(&s, 2);

		if (!next(&s, 3))
			setsockopt(ends[end], SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
				   sizeof(struct linger));
		close(ends[end]);
		ends[end] = ends[!end];
		await_end();
		for (int i = 0; i < 4; i++) {
			step_recv(&s, 0);
			quiet();
		}
		step_look(&s, 0);
	}
}

#define SEED(n)                                                                                   \
	WAITING_CASE(random_##n)                                                                  \
	{                                                                                         \
		sequence(n);                                                                      \
	}

SEED(1)
SEED(2)
SEED(3)
SEED(4)
SEED(5)
SEED(6)
SEED(7)
SEED(8)
SEED(9)
SEED(10)
