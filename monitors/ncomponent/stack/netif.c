// SPDX-License-Identifier: GPL-2.0-only
/*
 * lwIP's network interface on a netdev, without a copy either way.
 *
 * Out: a pbuf chain becomes the fragments of one nettx; a reference to the chain is kept until the
 * device is done, so that data pbufs can lie in socket memory and NIC reads them there. One frame
 * is held back until the next one or the end of the loop's round, so that a burst costs one
 * doorbell. A chain with more pieces than a frame may have is copied together and counted. TCP's
 * checksum is left to the device: lwIP leaves the field zero and we store the pseudo-header's sum
 * there (netdev.h).
 *
 * In: every piece is wrapped in a custom pbuf, freed to the driver by lwIP's last reference. Only
 * so many of the driver's buffers are kept; beyond that frames are copied. Whether lwIP verifies
 * checksums is decided for each frame by what the device says of it. gro.c joins segments.
 *
 * With several NICs a packet leaves by the one that has its source address, so that a connection
 * stays on the NIC that it came by, or was routed to by GNM.
 *
 * Context: the stack's loop; the device reports from its poll and from our own xmit, both there.
 */
#define LOG_SUBSYS "stack"
#include <kern/endian.h>
#include <kern/log.h>
#include <kern/string.h>

#include "lwip/etharp.h"
#include "lwip/inet_chksum.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/tcp.h"
#include "lwip/prot/udp.h"
#include "netif/ethernet.h"
#include "stack/lwip_hooks.h"
#include "stack/priv.h"

#define CSUM_GEN_DEVICE (NETIF_CHECKSUM_GEN_TCP)
#define CSUM_CHECKS                                                                               \
	(NETIF_CHECKSUM_CHECK_IP | NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP)

/* ---- out ---- */

static struct stack_tx *tx_get(struct stack *s)
{
	struct stack_tx *t = s->tx_free;

	if (t) {
		s->tx_free = t->next;
		return t;
	}
	t = kzalloc(sizeof(*t));
	if (t)
		t->stack = s;
	return t;
}

static void tx_put(struct stack *s, struct stack_tx *t)
{
	pbuf_free(t->p);
	t->p = NULL;
	t->next = s->tx_free;
	s->tx_free = t;
}

static void tx_done(struct nettx *tx)
{
	struct stack_tx *t = tx->priv;

	stack_assert_context();
	tx_put(t->stack, t);
}

/* Fills the fragments; false when the chain has too many pieces. */
static bool tx_fragments(struct nettx *tx, struct pbuf *p)
{
	unsigned n = 0;

	for (struct pbuf *q = p; q; q = q->next) {
		if (!q->len)
			continue;
		if (n == NETDEV_TX_FRAGS)
			return false;
		tx->frag[n].kva = q->payload;
		tx->frag[n].len = q->len;
		n++;
	}
	tx->nfrags = (uint8_t)n;
	return true;
}

/* One's complement sum of the pseudo header (RFC 9293 3.1), folded, not inverted. */
static uint16_t pseudo_sum(const struct ip_hdr *ip, uint16_t l4_len)
{
	uint32_t sum = lwip_htons(IPH_PROTO(ip)) + lwip_htons(l4_len);
	uint16_t half[4];

	memcpy(half, &ip->src, sizeof(half)); /* source and destination */
	for (unsigned i = 0; i < 4; i++)
		sum += half[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* A datagram in one packet, whose checksum stack/udp.c left to the device. */
static void tx_udp_checksum(struct nettx *tx, struct pbuf *p, struct ip_hdr *ip, uint16_t hlen)
{
	struct udp_hdr *udp = (struct udp_hdr *)((uint8_t *)ip + hlen);

	if (p->len < SIZEOF_ETH_HDR + hlen + UDP_HLEN ||
	    IPH_OFFSET(ip) & PP_HTONS(IP_OFFMASK | IP_MF))
		return;
	udp->chksum = pseudo_sum(ip, (uint16_t)(lwip_ntohs(IPH_LEN(ip)) - hlen));
	tx->flags |= NTX_CSUM;
	tx->csum_start = (uint16_t)(SIZEOF_ETH_HDR + hlen);
	tx->csum_offset = offsetof(struct udp_hdr, chksum);
}

/* Asks the device for the checksums that lwIP left out. The headers lie in the first pbuf. */
static void tx_checksums(struct stack_nic *nic, struct nettx *tx, struct pbuf *p)
{
	uint8_t *frame = p->payload;
	struct ip_hdr *ip = (struct ip_hdr *)(frame + SIZEOF_ETH_HDR);

	tx->flags = 0;
	if (p->len < SIZEOF_ETH_HDR + IP_HLEN ||
	    ((struct eth_hdr *)frame)->type != PP_HTONS(ETHTYPE_IP))
		return;
	if (nic->dev->features & NETDEV_F_IP_CSUM)
		tx->flags |= NTX_IP_CSUM;
	uint16_t hlen = IPH_HL_BYTES(ip);
	if (nic->dev->features & NETDEV_F_TX_CSUM && IPH_PROTO(ip) == IP_PROTO_UDP)
		tx_udp_checksum(tx, p, ip, hlen);
	if (!(nic->dev->features & NETDEV_F_TX_CSUM) || IPH_PROTO(ip) != IP_PROTO_TCP ||
	    p->len < SIZEOF_ETH_HDR + hlen + TCP_HLEN)
		return;
	struct tcp_hdr *tcp = (struct tcp_hdr *)((uint8_t *)ip + hlen);
	uint16_t l4_len = (uint16_t)(lwip_ntohs(IPH_LEN(ip)) - hlen);
	uint16_t tcp_hlen = TCPH_HDRLEN_BYTES(tcp);
	tcp->chksum = pseudo_sum(ip, l4_len);
	tx->flags |= NTX_CSUM;
	tx->gso_size = stack_gso_size(ip, tcp, l4_len - tcp_hlen);
	if (tx->gso_size) {
		tx->flags |= NTX_TSO4;
		tx->hdr_len = (uint16_t)(SIZEOF_ETH_HDR + hlen + tcp_hlen);
		counter_add(lwip, tx_gso, 1);
	}
	tx->csum_start = (uint16_t)(SIZEOF_ETH_HDR + hlen);
	tx->csum_offset = offsetof(struct tcp_hdr, chksum);
}

/* Gives the held frame to the device. False: the ring is full, it stays held. */
static bool tx_held(struct stack_nic *nic, bool more)
{
	struct stack_tx *t = nic->held;

	if (!t)
		return true;
	uint32_t bytes = t->p->tot_len;
	nic->held = NULL; /* done() may come from within */
	int err = nic->dev->ops->xmit(nic->dev, &t->tx, more);
	if (err == -ENOSPC) {
		nic->held = t;
		nic->tx_blocked = true;
		counter_add(lwip, tx_full, 1);
		return false;
	}
	if (err) {
		counter_add(lwip, tx_dropped, 1);
		tx_put(nic->stack, t);
		return true;
	}
	counter_add(lwip, tx_frames, 1);
	counter_add(lwip, tx_bytes, bytes);
	return true;
}

void stack_netif_flush(struct stack *s)
{
	for (unsigned i = 0; i < s->nnics; i++)
		if (!s->nic[i].tx_blocked)
			(void)tx_held(&s->nic[i], false);
}

bool stack_netif_idle(const struct stack *s)
{
	for (unsigned i = 0; i < s->nnics; i++)
		if (s->nic[i].held && !s->nic[i].tx_blocked)
			return false;
	return true;
}

static err_t link_output(struct netif *nif, struct pbuf *p)
{
	struct stack_nic *nic = nif->state;
	struct stack *s = nic->stack;

	if (nic->tx_blocked || !tx_held(nic, true))
		return ERR_MEM;
	struct stack_tx *t = tx_get(s);
	if (!t)
		return ERR_MEM;
	if (tx_fragments(&t->tx, p)) {
		pbuf_ref(p);
	} else {
		p = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
		t->p = NULL;
		if (!p) {
			t->next = s->tx_free;
			s->tx_free = t;
			return ERR_MEM;
		}
		counter_add(lwip, tx_linearized, 1);
		(void)tx_fragments(&t->tx, p);
	}
	t->p = p;
	t->tx.gso_size = 0;
	t->tx.done = tx_done;
	t->tx.priv = t;
	tx_checksums(nic, &t->tx, p);
	nic->held = t;
	return ERR_OK;
}

static void on_tx_room(struct netdev *dev, void *arg)
{
	struct stack_nic *nic = arg;

	nic->tx_blocked = false;
	if (tx_held(nic, true))
		tcp_txnow();
}

/* ---- in ---- */

static void rx_free(struct pbuf *p)
{
	struct stack_rx *r = (struct stack_rx *)p;
	struct stack *s = stack_instance();

	stack_assert_context();
	r->nb->free(r->nb);
	r->nb = NULL;
	s->rx_held--;
	r->next = s->rx_free;
	s->rx_free = r;
}

static struct pbuf *rx_wrap(struct stack *s, struct netbuf *nb)
{
	struct stack_rx *r = s->rx_free;

	if (r)
		s->rx_free = r->next;
	else
		r = kzalloc(sizeof(*r));
	if (!r)
		return NULL;
	r->nb = nb;
	s->rx_held++;
	r->pc.custom_free_function = rx_free;
	return pbuf_alloced_custom(PBUF_RAW, (u16_t)nb->len, PBUF_REF, &r->pc, nb->data,
				   (u16_t)nb->len);
}

/* The whole frame as one chain; takes nb over, also when it fails. */
static struct pbuf *rx_chain(struct stack *s, struct netbuf *nb)
{
	struct pbuf *head = NULL;

	while (nb) {
		struct netbuf *next = nb->next;
		struct pbuf *p = rx_wrap(s, nb);
		if (!p) {
			netbuf_free_chain(nb);
			if (head)
				pbuf_free(head);
			return NULL;
		}
		if (head)
			pbuf_cat(head, p);
		else
			head = p;
		nb = next;
	}
	return head;
}

/* The frame on the heap; takes nb over. */
static struct pbuf *rx_copy(struct netbuf *nb)
{
	struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)nb->frame_len, PBUF_RAM);
	u16_t at = 0;

	for (struct netbuf *q = nb; p && q; q = q->next) {
		if (pbuf_take_at(p, q->data, (u16_t)q->len, at) != ERR_OK) {
			pbuf_free(p);
			p = NULL;
		}
		at = (u16_t)(at + q->len);
	}
	netbuf_free_chain(nb);
	counter_add(lwip, rx_copied, 1);
	return p;
}

void stack_netif_checks(struct stack *s, u16_t checks)
{
	for (unsigned i = 0; i < s->nnics; i++) {
		struct netif *nif = &s->nic[i].netif;

		NETIF_SET_CHECKSUM_CTRL(nif, (u16_t)((nif->chksum_flags & ~CSUM_CHECKS) | checks));
	}
}

void stack_netif_input(struct stack *s, struct pbuf *p)
{
	struct netif *nif = netif_get_by_index(p->if_idx);

	if (nif->input(p, nif) != ERR_OK)
		pbuf_free(p);
}

/* lwIP reads an ARP packet without looking how long it is. */
static bool rx_legal(const struct netbuf *nb)
{
	if (nb->len < SIZEOF_ETH_HDR || nb->frame_len > 0xffff)
		return false;
	const struct eth_hdr *eth = (const struct eth_hdr *)nb->data;
	return eth->type != PP_HTONS(ETHTYPE_ARP) || nb->len >= SIZEOF_ETH_HDR + SIZEOF_ETHARP_HDR;
}

/* RFC 1812 5.3.7: nobody on the wire speaks for this NIC's own address or for 127/8. */
static bool is_martian(const struct stack_nic *nic, const struct netbuf *nb)
{
	const struct eth_hdr *eth = (const struct eth_hdr *)nb->data;
	uint32_t from;

	if (eth->type != PP_HTONS(ETHTYPE_IP) || nb->len < SIZEOF_ETH_HDR + IP_HLEN)
		return false;
	memcpy(&from, nb->data + SIZEOF_ETH_HDR + offsetof(struct ip_hdr, src), sizeof(from));
	return from == netif_ip4_addr(&nic->netif)->addr || (from & PP_HTONL(0xff000000u)) ==
								PP_HTONL(0x7f000000u);
}

static void on_rx(struct netdev *dev, struct netbuf *nb, void *arg)
{
	struct stack_nic *nic = arg;
	struct stack *s = nic->stack;
	uint32_t flags = nb->flags, len = nb->frame_len;

	if (!rx_legal(nb)) {
		counter_add(lwip, rx_malformed, 1);
		netbuf_free_chain(nb);
		return;
	}
	if (is_martian(nic, nb)) {
		counter_add(lwip, rx_martian, 1);
		netbuf_free_chain(nb);
		return;
	}
	struct pbuf *p = s->rx_held < STACK_RX_HELD_MAX ? rx_chain(s, nb) : rx_copy(nb);
	if (!p) {
		counter_add(lwip, rx_nomem, 1);
		return;
	}
	p->if_idx = netif_get_index(&nic->netif);
	counter_add(lwip, rx_frames, 1);
	counter_add(lwip, rx_bytes, len);
	u16_t checks = CSUM_CHECKS;
	if (!(flags & NB_L4_CSUM_OK))
		stack_gro_flush(s);
	else if (stack_gro_rx(s, p))
		return;
	if (flags & NB_L4_CSUM_OK)
		checks = 0;
	else if (flags & NB_L3_CSUM_OK)
		checks &= (u16_t)~NETIF_CHECKSUM_CHECK_IP;
	else
		counter_add(lwip, rx_unverified, 1);
	stack_netif_checks(s, checks);
	stack_netif_input(s, p);
}

/* ---- set up ---- */

static err_t netif_setup(struct netif *nif)
{
	struct stack_nic *nic = nif->state;
	u16_t gen = NETIF_CHECKSUM_ENABLE_ALL;

	nif->name[0] = 'e';
	nif->name[1] = 'n';
	nif->output = etharp_output;
	nif->linkoutput = link_output;
	nif->mtu = (u16_t)KMIN(nic->dev->mtu, 1500u);
	nif->hwaddr_len = ETH_ADDR_LEN;
	memcpy(nif->hwaddr, nic->dev->mac, ETH_ADDR_LEN);
	nif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
	if (nic->dev->features & NETDEV_F_TX_CSUM)
		gen &= (u16_t)~CSUM_GEN_DEVICE;
	if (nic->dev->features & NETDEV_F_IP_CSUM)
		gen &= (u16_t)~NETIF_CHECKSUM_GEN_IP;
	NETIF_SET_CHECKSUM_CTRL(nif, gen);
	return ERR_OK;
}

static void on_link_change(struct netdev *dev, void *arg)
{
	struct stack_nic *nic = arg;

	if (dev->ops->link_up(dev))
		netif_set_link_up(&nic->netif);
	else
		netif_set_link_down(&nic->netif);
}

static bool cuts_segments(const struct netdev *dev)
{
	return dev->features & NETDEV_F_TSO4 && dev->features & NETDEV_F_TX_CSUM;
}

int stack_netif_init(struct stack *s, const struct stack_config *cfg)
{
	struct stack_nic *nic = &s->nic[s->nnics];
	ip4_addr_t ip, mask, gw;

	ip4_addr_set_u32(&ip, lwip_htonl(cfg->ip));
	ip4_addr_set_u32(&mask, lwip_htonl(cfg->prefix_len ? ~0u << (32 - cfg->prefix_len) : 0));
	ip4_addr_set_u32(&gw, lwip_htonl(cfg->gateway));
	nic->stack = s;
	nic->dev = cfg->dev;
	if (!netif_add(&nic->netif, &ip, &mask, &gw, nic, netif_setup, ethernet_input))
		return -ENOMEM;
	int err = netdev_attach(nic->dev, s->loop, on_rx, on_tx_room, nic);
	if (err) {
		netif_remove(&nic->netif);
		return err;
	}
	s->gso = cuts_segments(nic->dev) && (s->gso || !s->nnics);
	nic->dev->link_change = on_link_change;
	if (!s->nnics++)
		netif_set_default(&nic->netif);
	netif_set_up(&nic->netif);
	on_link_change(nic->dev, nic);
	return 0;
}

/* ---- which NIC ---- */

struct stack_nic *stack_nic_of(struct stack *s, uint32_t ip)
{
	for (unsigned i = 0; i < s->nnics; i++)
		if (netif_ip4_addr(&s->nic[i].netif)->addr == lwip_htonl(ip))
			return &s->nic[i];
	return NULL;
}

static bool is_neighbour(const struct netif *nif, const ip4_addr_t *dest)
{
	return netif_is_link_up(nif) &&
	       ip4_addr_netcmp(dest, netif_ip4_addr(nif), netif_ip4_netmask(nif));
}

static bool reaches(const struct netif *nif, const ip4_addr_t *dest)
{
	return is_neighbour(nif, dest) || (netif_is_link_up(nif) && netif_ip4_gw(nif)->addr);
}

struct netif *stack_route(const ip4_addr_t *src, const ip4_addr_t *dest)
{
	struct stack *s = stack_instance();
	struct stack_nic *nic = stack_nic_of(s, lwip_ntohl(dest->addr));

	if (nic)
		return &nic->netif; /* turns round */
	nic = src && src->addr ? stack_nic_of(s, lwip_ntohl(src->addr)) : NULL;
	if (nic && reaches(&nic->netif, dest))
		return &nic->netif;
	for (unsigned i = 0; i < s->nnics; i++)
		if (is_neighbour(&s->nic[i].netif, dest))
			return &s->nic[i].netif;
	return NULL; /* the default route, or the loop */
}
