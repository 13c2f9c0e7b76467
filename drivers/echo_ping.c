/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frame echo, the measuring side: one frame out at a time, sent from the loop as soon as the reply
 * to the last has been looked at, and the median of the round trips.
 *
 *   HELLO --any reply--> RUN(size 1) --n replies--> RUN(size 2) ... --> DONE
 *     ^  |                 ^      |
 *     +--+ 100 ms          +------+ reply, or 1 s without one: sent again
 *
 * The clock runs from just before xmit to the entry of the receive call. A reply is compared byte
 * for byte with what was sent, after its time has been taken.
 */
#define LOG_SUBSYS "echo"
#include "echo.h"

#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/random.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <kern/wait.h>

#define PING_N_MAX 100000
#define HELLO_EVERY_NS (100 * NSEC_PER_MSEC)
#define HELLO_TRIES 600
#define RESEND_NS NSEC_PER_SEC
#define RESENDS_MAX 30

static const char default_sizes[] = "60,128,512,1024,1514,2048,4096,9014";

static struct ping {
	struct netdev *dev;
	struct loop *loop;
	struct loop_call kick; /* the main thread asks for a send */
	struct completion round;

	/* the loop's thread while a size runs, the main thread between */
	/* Two frames in turn: a reply may be here before the driver has given the request back. */
	struct ping_slot {
		struct nettx tx;
		bool busy;
		struct echo_frame *frame;
	} slot[2];
	bool held_up;          /* the next frame waits for its slot */
	uint8_t peer[ETH_ADDR_LEN];
	bool peer_known;
	uint32_t size, seq;
	unsigned n, got;
	uint64_t sent_ns;
	uint64_t *sample;
	_Atomic unsigned progress, bad;
} ping;

static struct ping_slot *slot_of(uint32_t seq)
{
	return &ping.slot[seq % 2];
}

static void tx_done(struct nettx *tx);

/* The bytes differ from round to round, so that an old reply does not pass. */
static void send_next(void)
{
	struct ping_slot *s = slot_of(ping.seq + 1);
	ping.held_up = s->busy;
	if (s->busy)
		return;
	struct echo_frame *f = s->frame;
	f->seq = be32(++ping.seq);
	f->bytes[ping.seq % (ping.size - sizeof(*f))] ^= (uint8_t)(ping.seq | 1);
	s->tx.frag[0].kva = f;
	s->tx.frag[0].len = ping.size;
	s->tx.nfrags = 1;
	s->tx.done = tx_done;
	s->busy = true;
	ping.sent_ns = clock_mono_ns();
	if (ping.dev->ops->xmit(ping.dev, &s->tx, false))
		s->busy = false;
}

static void tx_done(struct nettx *tx)
{
	struct ping_slot *s = container_of(tx, struct ping_slot, tx);
	s->busy = false;
	if (ping.held_up)
		send_next();
}

static void kick_fn(struct loop_call *c)
{
	send_next();
}

static bool same_bytes(const struct netbuf *nb)
{
	const uint8_t *want = (const uint8_t *)slot_of(ping.seq)->frame;
	uint32_t off = sizeof(struct echo_frame);
	uint32_t at = 0;
	for (; nb; nb = nb->next) {
		uint32_t skip = off > at ? KMIN(off - at, nb->len) : 0;
		if (memcmp(nb->data + skip, want + at + skip, nb->len - skip))
			return false;
		at += nb->len;
	}
	return at == ping.size;
}

static void take_reply(const struct netbuf *nb, const struct echo_frame *f, uint64_t now)
{
	if (be32_get(f->seq) != ping.seq)
		return; /* late, after a resend */
	if (!ping.peer_known) {
		memcpy(ping.peer, f->src, ETH_ADDR_LEN);
		ping.peer_known = true;
		complete(&ping.round);
		return;
	}
	if (nb->frame_len != ping.size || !same_bytes(nb))
		atomic_fetch_add(&ping.bad, 1);
	if (ping.got == ping.n)
		return;
	ping.sample[ping.got++] = now - ping.sent_ns;
	atomic_fetch_add(&ping.progress, 1);
}

static void ping_rx(struct netdev *dev, struct netbuf *nb, void *arg)
{
	uint64_t now = clock_mono_ns();
	const struct echo_frame *f = echo_decode(nb);
	unsigned got = ping.got;
	if (f && f->op == ECHO_REPLY)
		take_reply(nb, f, now);
	netbuf_free_chain(nb);
	if (ping.got == got)
		return;
	if (ping.got < ping.n)
		send_next();
	else
		complete(&ping.round);
}

static void ping_tx_room(struct netdev *dev, void *arg)
{
	send_next();
}

static void prepare_frame(struct echo_frame *f, uint32_t size, enum echo_op op)
{
	random_bytes(f, ECHO_FRAME_MAX);
	memset(f->dst, 0xff, ETH_ADDR_LEN);
	if (ping.peer_known)
		memcpy(f->dst, ping.peer, ETH_ADDR_LEN);
	memcpy(f->src, ping.dev->mac, ETH_ADDR_LEN);
	f->ethertype = be16(ECHO_ETHERTYPE);
	f->magic = be32(ECHO_MAGIC);
	f->op = (uint8_t)op;
	f->reserved = 0;
	f->len = be16((uint16_t)size);
}

static void prepare(uint32_t size, unsigned n, enum echo_op op)
{
	for (unsigned i = 0; i < 2; i++)
		prepare_frame(ping.slot[i].frame, size, op);
	ping.size = size;
	ping.n = n;
	ping.got = 0;
	completion_init(&ping.round);
}

static int find_peer(void)
{
	prepare(ECHO_FRAME_MIN, 0, ECHO_REQUEST);
	for (unsigned i = 0; i < HELLO_TRIES; i++) {
		loop_post(ping.loop, &ping.kick);
		if (!completion_wait(&ping.round, clock_mono_ns() + HELLO_EVERY_NS))
			return 0;
	}
	log_err("no peer answers");
	return -ETIMEDOUT;
}

static int run_size(uint32_t size, unsigned n)
{
	prepare(size, n, ECHO_REQUEST);
	loop_post(ping.loop, &ping.kick);
	unsigned resends = 0, seen = atomic_load(&ping.progress);
	while (completion_wait(&ping.round, clock_mono_ns() + RESEND_NS)) {
		unsigned now = atomic_load(&ping.progress);
		if (now == seen) {
			if (++resends > RESENDS_MAX) {
				log_err("size=%u: no reply %u of %u", size, ping.got + 1, n);
				return -ETIMEDOUT;
			}
			loop_post(ping.loop, &ping.kick);
		}
		seen = now;
	}
	return 0;
}

/* Shell sort: no recursion, a thousand entries. */
static void sort(uint64_t *v, unsigned n)
{
	for (unsigned gap = n / 2; gap; gap /= 2)
		for (unsigned i = gap; i < n; i++) {
			uint64_t x = v[i];
			unsigned j = i;
			for (; j >= gap && v[j - gap] > x; j -= gap)
				v[j] = v[j - gap];
			v[j] = x;
		}
}

static int measure(const char *list, unsigned n)
{
	while (*list) {
		char word[8];
		unsigned len = 0;
		while (*list && *list != ',' && len < sizeof(word) - 1)
			word[len++] = *list++;
		word[len] = 0;
		list += *list == ',';
		uint64_t size;
		if (kstrtou64(word, 10, &size) || size < ECHO_FRAME_MIN || size > ECHO_FRAME_MAX) {
			log_err("echo.sizes: %s: not between %u and %u", word, ECHO_FRAME_MIN,
				ECHO_FRAME_MAX);
			return -EINVAL;
		}
		if (size > ping.dev->mtu + 14) {
			log_info("size=%u skipped: mtu %u", (unsigned)size, ping.dev->mtu);
			continue;
		}
		int err = run_size((uint32_t)size, n);
		if (err)
			return err;
		sort(ping.sample, n);
		log_info("size=%u n=%u median_ns=%llu best_ns=%llu", (unsigned)size, n,
			 (unsigned long long)ping.sample[n / 2],
			 (unsigned long long)ping.sample[0]);
	}
	return 0;
}

/* Tells a server that was started for this one run. */
static void say_bye(void)
{
	prepare(ECHO_FRAME_MIN, 0, ECHO_BYE);
	loop_post(ping.loop, &ping.kick);
	thread_sleep_ns(HELLO_EVERY_NS);
}

int echo_ping(struct netdev *dev)
{
	unsigned n = (unsigned)cmdline_u64("echo.n", 1000);
	const char *sizes = cmdline_get("echo.sizes");
	if (n == 0 || n > PING_N_MAX)
		return -EINVAL;
	ping.dev = dev;
	ping.kick.fn = kick_fn;
	for (unsigned i = 0; i < 2; i++)
		ping.slot[i].frame = kzalloc(ECHO_FRAME_MAX);
	ping.sample = kzalloc(n * sizeof(ping.sample[0]));
	ping.loop = loop_create("echo", 0);
	if (!ping.slot[0].frame || !ping.slot[1].frame || !ping.sample || !ping.loop)
		return -ENOMEM;
	int err = netdev_attach(dev, ping.loop, ping_rx, ping_tx_room, NULL);
	if (!err)
		err = loop_start(ping.loop);
	if (err)
		return err;
	err = find_peer();
	if (!err)
		err = measure(sizes && *sizes ? sizes : default_sizes, n);
	if (!err)
		say_bye();
	unsigned bad = atomic_load(&ping.bad);
	if (bad)
		log_err("%u replies had other bytes than were sent", bad);
	if (err || bad)
		dev->ops->dump(dev);
	log_info("%s", err || bad ? "failed" : "ok");
	board_exit(err || bad);
}
