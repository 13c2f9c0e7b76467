// SPDX-License-Identifier: GPL-2.0-only
/* See messages.h. */
#include "messages.h"

#include <asm-generic/socket.h>
#include <kern/string.h>
#include <linux/in.h>
#include <linux/tcp.h>
#include <proto/gpm.h>

#include "proxy/peer.h"

/* The i-th of A's that lives, round and round. */
static struct skel *living(unsigned i)
{
	struct sock_peer *p = world.ns->peer[NODE_A];
	struct skel *s;
	unsigned n = 0;

	if (!p)
		return NULL;
	TAILQ_FOREACH(s, &p->skels, peer_link)
		n += s->state != SKEL_GONE;
	i = n ? i % n : 0;
	TAILQ_FOREACH(s, &p->skels, peer_link)
		if (s->state != SKEL_GONE && !i--)
			return s;
	return NULL;
}

struct sock_handle pick(struct input *in, struct skel **s)
{
	uint8_t v = input_u8(in);

	*s = v < 220 ? living(v) : NULL;
	if (*s)
		return skel_handle(*s);
	if (v < 245)
		return b_handle(v);
	return (struct sock_handle){ le32(input_u32(in) % (2 * SKEL_MAX)), le32(input_u8(in)) };
}

uint32_t some_ip(struct input *in)
{
	static const uint32_t ips[] = { 0, IP_BOARD, IP_BOARD, 0x7f000001, 0x0a0000fe, 0xe0000001,
		UINT32_MAX, 0x08080808 };

	return ips[input_u8(in) % ARRAY_SIZE(ips)];
}

uint16_t some_port(struct input *in)
{
	static const uint16_t ports[] = { 0, 80, 81, 82, 53, 54, 1000, 65535 };

	return ports[input_u8(in) % ARRAY_SIZE(ports)];
}

uint32_t some_size(struct input *in)
{
	static const uint32_t sizes[] = { 0, 1, 12, 100, 1460, 4096, 65536, SKEL_TX_WINDOW,
			1u << 24,
		UINT32_MAX };

	return sizes[input_u8(in) % ARRAY_SIZE(sizes)];
}

uint64_t some_count(struct input *in, uint64_t right)
{
	uint8_t v = input_u8(in);

	if (v < 160)
		return right;
	return v < 250 ? right + (uint64_t)(int64_t)(int8_t)input_u8(in) :
			 (uint64_t)input_u32(in) << 32;
}

static uint64_t received_position(const struct skel *s)
{
	return s ? s->tx_arrived : 0;
}

static size_t fill_open(struct input *in, void *out)
{
	static const uint16_t homes[] = { NODE_M, NODE_M, 0, NODE_B, 63, 64 };
	struct sock_open_to m = { .open = { .stub = { le32(input_u8(in)), le32(1) },
		.type = le32(1 + (uint32_t)(input_u8(in) % 8 ? input_u8(in) % 2 : 2)),
		.ip = be32(some_ip(in)), .port = be16(some_port(in)),
		.flags = le16(input_u8(in) & 1), .data_mode = options & DMA ? DATA_DMA : DATA_DDIO,
		.sockmem = le16(homes[input_u8(in) % ARRAY_SIZE(homes)]),
		.opt_reuse = le32(input_u8(in)), .rx_window = le32(some_size(in)) } };

	if (input_u8(in) < 200) {
		memcpy(out, &m.open, sizeof(m.open));
		return sizeof(m.open);
	}
	m.open.flags = le16(le16_get(m.open.flags) | SOCK_OPEN_CONNECT);
	m.ip = be32(some_ip(in));
	m.port = be16(some_port(in));
	memcpy(out, &m, sizeof(m));
	return sizeof(m);
}

static size_t fill_hello(struct input *in, void *out)
{
	struct sock_hello m = { world_region(0), le64(incarnation) };
	uint8_t v = input_u8(in);

	if (v & 1)
		m.incarnation = le64(++incarnation);
	if (v & 2)
		m.rx_pool.len = le32(some_size(in));
	if (v & 4)
		m.rx_pool.rkey = le32(input_u8(in));
	memcpy(out, &m, sizeof(m));
	return sizeof(m);
}

static size_t fill_setopt(struct input *in, struct sock_handle h, void *out)
{
	static const uint16_t opts[][2] = { { IPPROTO_TCP, TCP_NODELAY }, { IPPROTO_TCP, TCP_CORK },
		{ IPPROTO_TCP, TCP_DEFER_ACCEPT }, { IPPROTO_TCP, TCP_MAXSEG },
		{ IPPROTO_TCP, TCP_KEEPIDLE }, { IPPROTO_TCP, TCP_KEEPINTVL },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT }, { SOL_SOCKET, SO_KEEPALIVE },
		{ SOL_SOCKET, SO_REUSEADDR }, { SOL_SOCKET, SO_REUSEPORT }, { IPPROTO_IP, IP_TTL },
		{ IPPROTO_IP, IP_TOS }, { IPPROTO_TCP, 200 } };
	unsigned i = input_u8(in) % ARRAY_SIZE(opts);
	struct sock_setopt m = { h, le32(opts[i][0]), le32(opts[i][1]), le32(input_u8(in)),
		le32(input_u8(in)) };

	memcpy(out, &m, sizeof(m));
	return sizeof(m);
}

static size_t fill_attach(struct input *in, struct sock_handle h, void *out)
{
	struct sock_attach m = { .skel = h, .stub = { le32(input_u8(in)), le32(1) },
		.rx_window = le32(some_size(in)), .data_mode = input_u8(in) % 4,
		.sockmem = le16(input_u8(in) % 70) };

	memcpy(out, &m, sizeof(m));
	return sizeof(m);
}

static size_t fill_end(struct input *in, struct sock_handle h, const struct skel *s, void *out)
{
	struct sock_end m = { h, le64(some_count(in, received_position(s))), le32(input_u8(in) % 4),
		le32(input_u8(in) & 1) };

	memcpy(out, &m, sizeof(m));
	return sizeof(m);
}

size_t fill(struct input *in, uint16_t op, uint8_t *out)
{
	struct skel *s = NULL;
	struct sock_handle h = { le32(0), le32(0) };

	if (op == OP_SOCK_OPEN)
		return fill_open(in, out);
	if (op == OP_SOCK_HELLO)
		return fill_hello(in, out);
	if (op == OP_SOCK_LOCATE) {
		*(struct sock_locate *)out = (struct sock_locate){ be32(some_ip(in)),
			be16(some_port(in)), le16(0) };
		return sizeof(struct sock_locate);
	}
	h = pick(in, &s);
	if (op == OP_SOCK_SETOPT)
		return fill_setopt(in, h, out);
	if (op == OP_SOCK_ATTACH)
		return fill_attach(in, h, out);
	if (op == OP_SOCK_SHUTDOWN || op == OP_SOCK_CLOSE)
		return fill_end(in, h, s, out);
	memcpy(out, &h, sizeof(h));
	if (op == OP_SOCK_CONNECT) {
		*(struct sock_connect *)out = (struct sock_connect){ h, be32(some_ip(in)),
			be16(some_port(in)), le16(0) };
		return sizeof(struct sock_connect);
	}
	if (op == OP_SOCK_RX_DONE) {
		*(struct sock_rx_done *)out = (struct sock_rx_done){ h,
			le64(some_count(in, s ? s->rx_taken : 0)), le32(some_size(in)), le32(0) };
		return sizeof(struct sock_rx_done);
	}
	if (op == OP_SOCK_GETOPT) {
		*(struct sock_getopt *)out = (struct sock_getopt){ h, le32(IPPROTO_TCP),
			le32(input_u8(in) % 16), { le32(0), le32(0) } };
		return sizeof(struct sock_getopt);
	}
	*(struct sock_listen *)out = (struct sock_listen){ h,
		le32(input_u8(in) % 8 ? input_u8(in) : some_size(in)), le32(0) };
	return sizeof(struct sock_listen); /* ACCEPTED looks the same */
}
