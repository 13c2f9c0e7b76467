/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Self-tests of the 82574L driver: state after probe against the datasheet, and frames through the
 * device's own MAC loopback (10.2.5, RCTL.LBM), so that no peer is needed.
 */
#include "../nettest.h"
#include "e1000e.h"

#include <kern/ktest.h>
#include <kern/string.h>
#include <kern/timer.h>

static struct e1000e *first(void)
{
	struct netdev *dev = netdev_find("e1000e0");
	return dev ? dev->priv : NULL;
}

#define NEED_DEVICE(e)                                                                            \
	struct e1000e *e = first();                                                               \
	if (!e)                                                                                   \
		KT_SKIP("no 82574L on this board")

KTEST(e1000e, mac_is_the_eeproms)
{
	NEED_DEVICE(e);
	for (unsigned i = 0; i < 3; i++) {
		uint16_t word;
		KT_ASSERT(e1000e_eeprom_read(e, i, &word) == 0);
		KT_ASSERT((uint8_t)word == e->dev.mac[2 * i]);
		KT_ASSERT(word >> 8 == e->dev.mac[2 * i + 1]);
	}
	/* 6.1.1: all words to the checksum add up to 0xbaba. */
	uint16_t sum = 0;
	for (unsigned i = 0; i < 64; i++) {
		uint16_t word;
		KT_ASSERT(e1000e_eeprom_read(e, i, &word) == 0);
		sum += word;
	}
	KT_ASSERT(sum == 0xbaba);
}

KTEST(e1000e, phy_answers)
{
	NEED_DEVICE(e);
	uint16_t id1, id2;
	KT_ASSERT(e1000e_phy_read(e, 2, &id1) == 0);
	KT_ASSERT(e1000e_phy_read(e, 3, &id2) == 0);
	KT_ASSERT(id1 == 0x0141 && (id2 & 0xfff0) == 0x0cb0); /* 8.5: BM PHY */
}

KTEST(e1000e, registers_after_probe)
{
	NEED_DEVICE(e);
	KT_ASSERT(!(e1000e_read(e, E1000E_CTRL) & (CTRL_RST | CTRL_GIO_MASTER_DISABLE)));
	KT_ASSERT(e1000e_read(e, E1000E_RCTL) & RCTL_EN);
	KT_ASSERT(e1000e_read(e, E1000E_RCTL) & RCTL_SECRC);
	KT_ASSERT(e1000e_read(e, E1000E_TCTL) & TCTL_EN);
	KT_ASSERT(e1000e_read(e, E1000E_IMS) & INT_RXQ0);
	KT_ASSERT(e1000e_read(e, E1000E_RDLEN) == E1000E_RING * 16);
	KT_ASSERT(e1000e_read(e, E1000E_TDLEN) == E1000E_RING * 16);
	KT_ASSERT(e1000e_read(e, E1000E_RDT) == e->rx_bell);
	KT_ASSERT(e1000e_read(e, E1000E_TDT) == e->tx_bell);
	uint32_t low = e1000e_read(e, E1000E_RAL(0)), high = e1000e_read(e, E1000E_RAH(0));
	KT_ASSERT(high & RAH_AV);
	KT_ASSERT(!memcmp(&low, e->dev.mac, 4) && !memcmp(&high, e->dev.mac + 4, 2));
}

KTEST(e1000e, link_comes_up)
{
	NEED_DEVICE(e);
	/* QEMU: autonegotiation ends 0.5 s after a reset. */
	for (unsigned i = 0; i < 30 && !e1000e_link_up(&e->dev); i++)
		thread_sleep_ns(100 * NSEC_PER_MSEC);
	KT_ASSERT(e1000e_link_up(&e->dev));
}

static struct nettest *loopback(struct e1000e *e, bool on)
{
	uint32_t rctl = e1000e_read(e, E1000E_RCTL) & ~RCTL_LBM_MAC;
	e1000e_write(e, E1000E_RCTL, on ? rctl | RCTL_LBM_MAC : rctl);
	return nettest_open(&e->dev);
}

KTEST(e1000e, loopback_sizes)
{
	NEED_DEVICE(e);
	struct nettest *t = loopback(e, true);
	KT_ASSERT(t);
	nettest_drain(t);
	uint32_t sizes[] = { 60, 61, 127, 128, 1000, 1513, 1514, 2048, 4096, 8191, 9014 };
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (sizes[i] > e->dev.mtu + 14)
			break;
		for (unsigned pieces = 1; pieces <= NETDEV_TX_FRAGS; pieces += 5) {
			nettest_build(t, e->dev.mac, NETTEST_ETHERTYPE, sizes[i], pieces);
			KT_ASSERT(nettest_send(t, sizes[i], pieces) == 0);
			struct netbuf *nb = nettest_recv(t, NETTEST_ETHERTYPE);
			KT_ASSERT(nb);
			bool same = nettest_same(nb, t->frame, sizes[i]);
			netbuf_free_chain(nb);
			KT_ASSERT(same);
		}
	}
	loopback(e, false);
}

static uint32_t add16(uint32_t sum, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* An IPv4 UDP datagram in t->frame with the pseudo-header sum where the device wants it. */
static void build_udp(struct nettest *t, uint32_t len)
{
	static const uint8_t ip[20] = { 0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 17, 0, 0,
					10, 0, 0, 1, 10, 0, 0, 2 };
	nettest_build(t, t->dev->mac, 0x0800, len, 7);
	uint8_t *h = t->frame + 14, *udp = h + 20;
	uint32_t udp_len = len - 34;
	memcpy(h, ip, 20);
	h[2] = (uint8_t)((len - 14) >> 8);
	h[3] = (uint8_t)(len - 14);
	udp[4] = (uint8_t)(udp_len >> 8);
	udp[5] = (uint8_t)udp_len;
	uint16_t pseudo = fold(add16(17 + udp_len, h + 12, 8));
	udp[6] = (uint8_t)(pseudo >> 8);
	udp[7] = (uint8_t)pseudo;
}

KTEST(e1000e, checksum_offload)
{
	NEED_DEVICE(e);
	struct nettest *t = loopback(e, true);
	KT_ASSERT(t);
	nettest_drain(t);
	for (uint32_t len = 100; len < 1500; len += 333) {
		build_udp(t, len);
		t->tx.flags = NTX_CSUM | NTX_IP_CSUM;
		t->tx.csum_start = 34;
		t->tx.csum_offset = 6;
		int err = nettest_send(t, len, 2);
		t->tx.flags = 0;
		KT_ASSERT(err == 0);
		struct netbuf *nb = nettest_recv(t, 0x0800);
		KT_ASSERT(nb);
		const uint8_t *h = nb->data + 14;
		uint16_t ip_sum = fold(add16(0, h, 20));
		uint16_t udp_sum = fold(add16(add16(17 + len - 34, h + 12, 8), h + 20, len - 34));
		uint32_t flags = nb->flags;
		netbuf_free_chain(nb);
		KT_ASSERT(ip_sum == 0xffff);
		KT_ASSERT(udp_sum == 0xffff);
		KT_ASSERT((flags & (NB_L3_CSUM_OK | NB_L4_CSUM_OK)) ==
			  (NB_L3_CSUM_OK | NB_L4_CSUM_OK));
	}
	loopback(e, false);
}

KTEST(e1000e, bad_checksum_is_flagged)
{
	NEED_DEVICE(e);
	struct nettest *t = loopback(e, true);
	KT_ASSERT(t);
	nettest_drain(t);
	build_udp(t, 200); /* sent as it is: the IP checksum is 0, the UDP one a partial sum */
	KT_ASSERT(nettest_send(t, 200, 1) == 0);
	struct netbuf *nb = nettest_recv(t, 0x0800);
	KT_ASSERT(nb);
	uint32_t flags = nb->flags;
	netbuf_free_chain(nb);
	KT_ASSERT(!(flags & (NB_L3_CSUM_OK | NB_L4_CSUM_OK)));
	loopback(e, false);
}

KTEST(e1000e, refuses_what_it_cannot_do)
{
	NEED_DEVICE(e);
	struct nettest *t = loopback(e, false);
	KT_ASSERT(t);
	nettest_build(t, e->dev.mac, NETTEST_ETHERTYPE, 60, 1);
	t->tx.flags = NTX_TSO4;
	int tso = nettest_send(t, 60, 1);
	t->tx.flags = 0;
	KT_ASSERT(tso == -EINVAL);
	KT_ASSERT(nettest_send(t, 13, 1) == -EINVAL);
}

KTEST(e1000e, flood_and_no_leak)
{
	NEED_DEVICE(e);
	struct nettest *t = loopback(e, true);
	KT_ASSERT(t);
	KT_ASSERT(nettest_flood(t, e->dev.mac, 2000, 1000) == 0);
	loopback(e, false);
	thread_sleep_ns(100 * NSEC_PER_MSEC);
	nettest_drain(t);
	thread_sleep_ns(50 * NSEC_PER_MSEC);
	KT_ASSERT(e->tx_clean == e->tx_next);
	unsigned posted = (e->rx_fill - e->rx_next) % E1000E_RING;
	KT_ASSERT(rxpool_in_use(&e->pool) == posted);
	KT_ASSERT(posted >= E1000E_RING / 2);
}

/* So much came in a window, and a frame of `sent` bytes left. */
static bool pauses_after(struct e1000e *e, uint64_t frames, uint64_t bytes, uint32_t sent)
{
	e->pause.frames = frames;
	e->pause.bytes = bytes;
	e1000e_pause_sent(e, sent);
	return e1000e_pause_wanted(&e->pause, E1000E_PAUSE_NS);
}

KTEST(e1000e, pauses_while_a_stream_comes)
{
	static struct e1000e e; /* no device: what decides looks at nothing of it */
	KT_ASSERT(!pauses_after(&e, 12, 12 * 1514, 54));
	KT_ASSERT(pauses_after(&e, 12, 12 * 1514, 54));
	KT_ASSERT(pauses_after(&e, 20, 20 * 1514, 54));
	/* somebody may wait for an answer; that is over after two windows */
	KT_ASSERT(!pauses_after(&e, 12, 12 * 1514, 55));
	KT_ASSERT(!pauses_after(&e, 12, 12 * 1514, 54));
	KT_ASSERT(pauses_after(&e, 12, 12 * 1514, 54));
	KT_ASSERT(!pauses_after(&e, 2, 2 * 1514, 54));
	for (unsigned i = 0; i < 40; i++)
		KT_ASSERT(!pauses_after(&e, 30, 30 * 100, 54));
}

KTEST(e1000e, no_pause_slows_its_sender)
{
	static struct e1000e e;
	unsigned without = 0;
	KT_ASSERT(!pauses_after(&e, 12, 12 * 1514, 54));
	KT_ASSERT(pauses_after(&e, 12, 12 * 1514, 54));
	KT_ASSERT(pauses_after(&e, 7, 7 * 1514, 54));
	KT_ASSERT(!pauses_after(&e, 7, 7 * 1514, 54));
	while (without < 100 && !pauses_after(&e, 12, 12 * 1514, 54))
		without++;
	KT_ASSERT(without >= 5 && without < 20);
}

KTEST(e1000e, a_pause_ends)
{
	static struct e1000e e;
	e1000e_pause_init(&e);
	for (unsigned i = 0; i < 2; i++) {
		KT_ASSERT(!e1000e_paused(&e));
		e.pause.frames = 1000000; /* in however long the test was kept from running */
		e.pause.bytes = e.pause.frames * 1514;
		e.pause.since_ns = clock_mono_ns() - 2 * E1000E_PAUSE_NS;
		KT_ASSERT(e1000e_pause_begin(&e) == (i == 1));
	}
	for (unsigned i = 0; i < 1000 && e1000e_paused(&e); i++)
		thread_sleep_ns(NSEC_PER_MSEC);
	KT_ASSERT(!e1000e_paused(&e));
}

KTEST(e1000e, dump_changes_nothing)
{
	NEED_DEVICE(e);
	uint32_t ims = e1000e_read(e, E1000E_IMS), rctl = e1000e_read(e, E1000E_RCTL);
	e->dev.ops->dump(&e->dev);
	KT_ASSERT(e1000e_read(e, E1000E_IMS) == ims);
	KT_ASSERT(e1000e_read(e, E1000E_RCTL) == rctl);
	KT_ASSERT(e->stat[E1000E_STAT_CRCERRS] == 0);
}
