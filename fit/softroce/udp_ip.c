/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one file that knows Ethernet, ARP, IPv4, ICMP and UDP: how a frame to a peer begins, and what
 * a received frame has in front of the BTH.
 *
 * Receives in the loop; paths are written by any thread. The ARP cache (neigh_lock) never forgets
 * an address in use: an old entry goes on being used while it is asked for again, so no packet ever
 * waits. A frame for an unknown address is dropped and asked for; the transport sends it again.
 * Left out: gateways (the fabric is one network), fragments, IP options, IPv6, VLAN tags.
 */
#include "softroce.h"

#include <linux/if_ether.h>

struct eth_hdr {
	uint8_t dst[ETH_ADDR_LEN], src[ETH_ADDR_LEN];
	be16_t type;
};
struct ipv4_hdr { /* RFC 791 3.1 */
	uint8_t ver_ihl, tos;
	be16_t len, id, frag;
	uint8_t ttl, proto;
	be16_t sum;
	be32_t src, dst;
};
struct udp_hdr { /* RFC 768 */
	be16_t src, dst, len, sum;
};
struct arp_pkt { /* RFC 826, Ethernet and IPv4 */
	be16_t hrd, pro;
	uint8_t hln, pln;
	be16_t op;
	uint8_t sha[ETH_ADDR_LEN];
	be32_t spa;
	uint8_t tha[ETH_ADDR_LEN];
	be32_t tpa;
} __packed;
static_assert(sizeof(struct eth_hdr) == 14, "wire layout");
static_assert(sizeof(struct ipv4_hdr) == 20, "wire layout");
static_assert(sizeof(struct udp_hdr) == 8, "wire layout");
static_assert(sizeof(struct arp_pkt) == 28, "wire layout");

#define ARP_HW_ETHERNET 1 /* <linux/if_arp.h> needs a C library */
#define ARP_OP_REQUEST 1
#define ARP_OP_REPLY 2
#define ICMP_ECHO 8
#define ICMP_ECHOREPLY 0
#define IP_PROTO_ICMP 1
#define IP_PROTO_UDP 17
#define IP_DF 0x4000
#define IP_MORE_OR_OFFSET 0x3fff
#define IP_TTL 64

static const uint8_t mac_broadcast[ETH_ADDR_LEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* RFC 1071: sum of 16-bit words, n even */
static uint32_t sum16(const void *data, uint32_t n, uint32_t sum)
{
	const uint8_t *p = data;

	for (uint32_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return sum;
}

/* Of a header as received: the sum of all, its own checksum included, is ~0 in any byte order. */
static bool ip_sum_ok(const struct ipv4_hdr *iph)
{
	uint32_t w[sizeof(*iph) / 4];
	uint64_t sum = 0;

	memcpy(w, iph, sizeof(w));
	for (unsigned i = 0; i < ARRAY_SIZE(w); i++)
		sum += w[i];
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16)) == 0xffff;
}

static uint16_t sum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* ---- sending small frames of our own: ARP, ICMP ---- */

static void frame_send(struct rdma_dev *dev, struct pkt *p)
{
	struct netdev *nd = dev->cfg.netdev;

	if (nd->ops->xmit(nd, &p->tx, false)) {
		sr_count(drop_tx_ring);
		pkt_free(p);
	}
}

static void eth_write(struct rdma_dev *dev, void *buf, const uint8_t *dst, uint16_t type)
{
	struct eth_hdr *eth = buf;

	memcpy(eth->dst, dst, ETH_ADDR_LEN);
	memcpy(eth->src, dev->cfg.netdev->mac, ETH_ADDR_LEN);
	eth->type = be16(type);
}

static void arp_send(struct rdma_dev *dev, uint16_t op, const uint8_t *dst, const uint8_t *tha,
		     uint32_t tpa)
{
	struct pkt *p = pkt_alloc(dev, NULL);
	struct arp_pkt *arp;

	if (!p) {
		sr_count(drop_tx_no_packet);
		return;
	}
	eth_write(dev, p->buf, dst, ETH_P_ARP);
	arp = (struct arp_pkt *)(p->buf + sizeof(struct eth_hdr));
	*arp = (struct arp_pkt){ .hrd = be16(ARP_HW_ETHERNET), .pro = be16(ETH_P_IP),
		.hln = ETH_ADDR_LEN, .pln = 4, .op = be16(op), .spa = be32(dev->cfg.ip),
		.tpa = be32(tpa) };
	memcpy(arp->sha, dev->cfg.netdev->mac, ETH_ADDR_LEN);
	memcpy(arp->tha, tha, ETH_ADDR_LEN);
	p->tx.frag[0] = (struct netfrag){ p->buf, sizeof(struct eth_hdr) + sizeof(*arp) };
	if (op == ARP_OP_REQUEST)
		sr_count(arp_requests);
	else
		sr_count(arp_replies);
	frame_send(dev, p);
}

static void arp_ask(struct rdma_dev *dev, uint32_t ip)
{
	static const uint8_t unknown[ETH_ADDR_LEN];

	arp_send(dev, ARP_OP_REQUEST, mac_broadcast, unknown, ip);
}

void udp_ip_announce(struct rdma_dev *dev)
{
	arp_ask(dev, dev->cfg.ip); /* RFC 5227 2.3 */
}

/* ---- neighbours ---- */

static bool on_our_net(const struct rdma_dev *dev, uint32_t ip)
{
	uint32_t mask = dev->cfg.prefix_len ? ~0u << (32 - dev->cfg.prefix_len) : 0;

	return ((ip ^ dev->cfg.ip) & mask) == 0 && ip != dev->cfg.ip && ip && (ip >> 28) < 0xe;
}

/* The entry of ip, else a free one, else (make) the one longest unconfirmed. */
static struct neigh *neigh_find_locked(struct rdma_dev *dev, uint32_t ip, bool make)
{
	uint32_t start = (ip * 2654435761u) >> 24;
	struct neigh *oldest = NULL;

	for (uint32_t i = 0; i < SR_NEIGH_MAX; i++) {
		struct neigh *n = &dev->neigh[(start + i) % SR_NEIGH_MAX];

		if (n->ip == ip)
			return n;
		if (!n->ip) {
			if (make)
				*n = (struct neigh){ .ip = ip };
			return make ? n : NULL;
		}
		if (!oldest || n->confirmed_ns < oldest->confirmed_ns)
			oldest = n;
	}
	if (make)
		*oldest = (struct neigh){ .ip = ip };
	return make ? oldest : NULL;
}

static void neigh_update_locked(struct rdma_dev *dev, struct neigh *n, const uint8_t *mac)
{
	n->confirmed_ns = clock_mono_ns();
	if (n->known && !memcmp(n->mac, mac, ETH_ADDR_LEN))
		return;
	n->known = true;
	memcpy(n->mac, mac, ETH_ADDR_LEN);
	if (atomic_fetch_add(&dev->neigh_gen, 1) + 1 == 0)
		atomic_fetch_add(&dev->neigh_gen, 1); /* 0 means none */
}

/* make: also for an address we do not know yet. */
static void neigh_heard(struct rdma_dev *dev, uint32_t ip, const uint8_t *mac, bool make)
{
	struct neigh *n;

	if (!on_our_net(dev, ip) || (mac[0] & 1))
		return;
	spin_lock(&dev->neigh_lock);
	n = neigh_find_locked(dev, ip, make);
	if (n)
		neigh_update_locked(dev, n, mac);
	spin_unlock(&dev->neigh_lock);
	if (n)
		cm_neigh_resolved(dev, ip);
}

void neigh_learn(struct rdma_dev *dev, uint32_t ip, const uint8_t *mac)
{
	struct neigh *n;

	spin_lock(&dev->neigh_lock);
	n = neigh_find_locked(dev, ip, false);
	spin_unlock(&dev->neigh_lock);
	if (!n || !n->known)
		neigh_heard(dev, ip, mac, true);
}

/* The MAC of ip into mac; asks when it is unknown, old, or ask_again. False: unknown. */
static bool neigh_lookup(struct rdma_dev *dev, uint32_t ip, uint8_t *mac, bool ask_again)
{
	uint64_t now = clock_mono_ns();
	struct neigh *n;
	bool known, ask;

	spin_lock(&dev->neigh_lock);
	n = neigh_find_locked(dev, ip, true);
	known = n->known;
	if (known && mac)
		memcpy(mac, n->mac, ETH_ADDR_LEN);
	ask = (!known || ask_again || now - n->confirmed_ns > SR_NEIGH_REFRESH_NS) &&
	      (!n->asked_ns || now - n->asked_ns >= SR_ARP_ASK_NS);
	if (ask)
		n->asked_ns = now;
	spin_unlock(&dev->neigh_lock);
	if (ask)
		arp_ask(dev, ip);
	return known;
}

int neigh_resolve(struct rdma_dev *dev, uint32_t ip, bool ask_again)
{
	if (!on_our_net(dev, ip))
		return -EHOSTUNREACH;
	return neigh_lookup(dev, ip, NULL, ask_again) ? 0 : -EAGAIN;
}

/* ---- paths ---- */

void path_init(struct rdma_dev *dev, struct path *p, uint32_t ip, uint16_t sport)
{
	struct ipv4_hdr *iph = (struct ipv4_hdr *)(p->hdr + PATH_IP_OFF);
	struct udp_hdr *udp = (struct udp_hdr *)(iph + 1);

	static_assert(PATH_HDR_LEN == sizeof(struct eth_hdr) + sizeof(*iph) + sizeof(*udp), "");
	memset(p, 0, sizeof(*p));
	p->ip = ip;
	eth_write(dev, p->hdr, mac_broadcast, ETH_P_IP);
	*iph = (struct ipv4_hdr){ .ver_ihl = 0x45, .frag = be16(IP_DF), .ttl = IP_TTL,
		.proto = IP_PROTO_UDP, .src = be32(dev->cfg.ip), .dst = be32(ip) };
	*udp = (struct udp_hdr){ .src = be16(sport), .dst = be16(ROCE_UDP_PORT) };
	p->ip_sum = sum16(iph, sizeof(*iph), 0);
}

bool path_write(struct rdma_dev *dev, struct path *p, uint8_t *frame, uint32_t udp_payload)
{
	struct ipv4_hdr *iph = (struct ipv4_hdr *)(frame + PATH_IP_OFF);
	uint32_t udp_len = udp_payload + sizeof(struct udp_hdr);
	uint32_t gen = atomic_load_explicit(&dev->neigh_gen, memory_order_relaxed);

	if (p->neigh_gen != gen) {
		if (!neigh_lookup(dev, p->ip, p->hdr, false))
			return false;
		p->neigh_gen = gen;
	}
	memcpy(frame, p->hdr, PATH_HDR_LEN);
	iph->len = be16((uint16_t)(udp_len + sizeof(*iph)));
	iph->sum = be16(sum_fold(p->ip_sum + udp_len + sizeof(*iph)));
	((struct udp_hdr *)(iph + 1))->len = be16((uint16_t)udp_len);
	return true;
}

/* ---- receiving ---- */

/* Walks len bytes from off of the frame and calls fn for each contiguous piece. */
static void nb_walk(struct netbuf *nb, uint32_t off, uint32_t len,
		    void (*fn)(void *arg, const uint8_t *p, uint32_t n), void *arg)
{
	for (; nb && len; nb = nb->next) {
		uint32_t n;

		if (off >= nb->len) {
			off -= nb->len;
			continue;
		}
		n = KMIN(len, nb->len - off);
		fn(arg, nb->data + off, n);
		len -= n;
		off = 0;
	}
}

static void walk_copy(void *arg, const uint8_t *p, uint32_t n)
{
	uint8_t **dst = arg;

	memcpy(*dst, p, n);
	*dst += n;
}

static void walk_crc(void *arg, const uint8_t *p, uint32_t n)
{
	uint32_t *crc = arg;

	*crc = icrc_update(*crc, p, n);
}

void rx_copy(const struct rx_pkt *rx, uint32_t off, void *dst, uint32_t len)
{
	uint8_t *p = dst;

	if (off + len <= rx->nb->len) /* mostly: all in the first piece */
		memcpy(dst, rx->nb->data + off, len);
	else
		nb_walk(rx->nb, off, len, walk_copy, &p);
}

uint32_t rx_crc(const struct rx_pkt *rx, uint32_t off, uint32_t len, uint32_t crc)
{
	if (off + len <= rx->nb->len)
		return icrc_update(crc, rx->nb->data + off, len);
	nb_walk(rx->nb, off, len, walk_crc, &crc);
	return crc;
}

static void arp_rx(struct rdma_dev *dev, const uint8_t *frame, uint32_t len)
{
	const struct arp_pkt *arp = (const struct arp_pkt *)(frame + sizeof(struct eth_hdr));
	uint32_t spa, tpa;

	if (len < sizeof(struct eth_hdr) + sizeof(*arp) || be16_get(arp->hrd) != ARP_HW_ETHERNET ||
	    be16_get(arp->pro) != ETH_P_IP || arp->hln != ETH_ADDR_LEN || arp->pln != 4) {
		sr_count(drop_arp);
		return;
	}
	spa = be32_get(arp->spa);
	tpa = be32_get(arp->tpa);
	/* RFC 826: known senders are updated, unknown ones added when they speak to us */
	neigh_heard(dev, spa, arp->sha, tpa == dev->cfg.ip);
	if (tpa == dev->cfg.ip && be16_get(arp->op) == ARP_OP_REQUEST && spa != dev->cfg.ip)
		arp_send(dev, ARP_OP_REPLY, arp->sha, arp->sha, spa);
}

/* RFC 792: the same bytes back, type echo reply; not one longer than this network's frames. */
static void icmp_rx(struct rdma_dev *dev, struct netbuf *nb, const uint8_t *hdr, uint32_t ip_len)
{
	const struct ipv4_hdr *in = (const struct ipv4_hdr *)(hdr + sizeof(struct eth_hdr));
	uint32_t len = sizeof(struct eth_hdr) + ip_len;
	struct rx_pkt rx = { .nb = nb };
	struct ipv4_hdr *iph;
	struct pkt *p;
	uint8_t *frame, *icmp;
	uint32_t sum;

	if (ip_len < sizeof(*in) + 8 || ip_len > dev->cfg.netdev->mtu ||
	    hdr[sizeof(struct eth_hdr) + sizeof(*in)] != ICMP_ECHO) {
		sr_count(drop_icmp);
		return;
	}
	p = pkt_alloc(dev, NULL);
	frame = p ? kmalloc(len + 1) : NULL;
	if (!frame) {
		sr_count(drop_tx_no_packet);
		if (p)
			pkt_free(p);
		return;
	}
	p->bounce = frame;
	rx_copy(&rx, 0, frame, len);
	frame[len] = 0; /* an odd length is summed with a zero behind */
	eth_write(dev, frame, ((const struct eth_hdr *)hdr)->src, ETH_P_IP);
	iph = (struct ipv4_hdr *)(frame + sizeof(struct eth_hdr));
	iph->dst = in->src;
	iph->src = be32(dev->cfg.ip);
	iph->ttl = IP_TTL;
	iph->sum = be16(0);
	iph->sum = be16(sum_fold(sum16(iph, sizeof(*iph), 0)));
	icmp = (uint8_t *)(iph + 1);
	icmp[0] = ICMP_ECHOREPLY;
	icmp[2] = icmp[3] = 0;
	sum = sum16(icmp, (ip_len - sizeof(*iph) + 1) & ~1u, 0);
	*(be16_t *)(icmp + 2) = be16(sum_fold(sum));
	p->tx.frag[0] = (struct netfrag){ frame, len };
	sr_count(icmp_echoes);
	frame_send(dev, p);
}

static void udp_rx(struct rdma_dev *dev, struct netbuf *nb, const uint8_t *hdr, uint32_t ip_len)
{
	const struct ipv4_hdr *iph = (const struct ipv4_hdr *)(hdr + sizeof(struct eth_hdr));
	const struct udp_hdr *udp = (const struct udp_hdr *)(iph + 1);
	uint32_t udp_len;
	struct rx_pkt rx = {
		.nb = nb,
		.hdr = (const uint8_t *)iph,
		.bth = (const uint8_t *)(udp + 1),
		.src_mac = ((const struct eth_hdr *)hdr)->src,
		.src_ip = be32_get(iph->src),
		.bth_off = PATH_HDR_LEN,
	};

	if (ip_len < sizeof(*iph) + sizeof(*udp)) {
		sr_count(drop_short);
		return;
	}
	if (be16_get(udp->dst) != ROCE_UDP_PORT) {
		sr_count(drop_protocol);
		return;
	}
	udp_len = be16_get(udp->len);
	if (udp_len < sizeof(*udp) + sizeof(struct bth) + ROCE_ICRC_LEN ||
	    udp_len != ip_len - sizeof(*iph)) {
		sr_count(drop_udp_length);
		return;
	}
	rx.len = udp_len - sizeof(*udp);
	roce_rx(dev, &rx);
}

static void ip_rx(struct rdma_dev *dev, struct netbuf *nb, const uint8_t *hdr)
{
	const struct ipv4_hdr *iph = (const struct ipv4_hdr *)(hdr + sizeof(struct eth_hdr));
	uint32_t ip_len;

	if (nb->frame_len < sizeof(struct eth_hdr) + sizeof(*iph)) {
		sr_count(drop_short);
		return;
	}
	ip_len = be16_get(iph->len);
	if (iph->ver_ihl != 0x45 || ip_len < sizeof(*iph) ||
	    ip_len > nb->frame_len - sizeof(struct eth_hdr))
		sr_count(drop_ip_header);
	else if (be32_get(iph->dst) != dev->cfg.ip)
		sr_count(drop_not_ours);
	else if (!ip_sum_ok(iph))
		sr_count(drop_ip_checksum);
	else if (be16_get(iph->frag) & IP_MORE_OR_OFFSET)
		sr_count(drop_fragment);
	else if (iph->proto == IP_PROTO_UDP)
		udp_rx(dev, nb, hdr, ip_len);
	else if (iph->proto == IP_PROTO_ICMP)
		icmp_rx(dev, nb, hdr, ip_len);
	else
		sr_count(drop_protocol);
}

static void eth_rx(struct rdma_dev *dev, struct netbuf *nb)
{
	uint8_t lin[SR_PKT_HDR_MAX] = { 0 };
	const uint8_t *hdr = nb->data;
	const struct eth_hdr *eth;

	if (nb->frame_len < sizeof(*eth)) {
		sr_count(drop_short);
		return;
	}
	if (nb->len < sizeof(lin)) { /* a short frame, or headers in two pieces */
		struct rx_pkt rx = { .nb = nb };

		rx_copy(&rx, 0, lin, sizeof(lin));
		hdr = lin;
	}
	eth = (const struct eth_hdr *)hdr;
	if (memcmp(eth->dst, dev->cfg.netdev->mac, ETH_ADDR_LEN) &&
	    memcmp(eth->dst, mac_broadcast, ETH_ADDR_LEN)) {
		sr_count(drop_not_ours);
		return;
	}
	switch (be16_get(eth->type)) {
	case ETH_P_IP:
		ip_rx(dev, nb, hdr);
		break;
	case ETH_P_ARP:
		arp_rx(dev, hdr, nb->frame_len);
		break;
	default:
		sr_count(drop_ethertype);
	}
}

void udp_ip_rx(struct netdev *nd, struct netbuf *nb, void *arg)
{
	struct rdma_dev *dev = arg;

	dev->in_rx = true;
	eth_rx(dev, nb);
	netbuf_free_chain(nb);
	cq_rx_end(dev);
}
