/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frame echo, the measuring side: echo.window= frames out at a time (default 1), the next sent
 * from the loop as soon as a reply has been looked at, and the median of the round trips.
 *
 *   HELLO --any reply--> RUN(size 1) --n replies--> RUN(size 2) ... --> DONE
 *     ^  |                 ^      |
 *     +--+ 100 ms          +------+ reply, or 2 s without one: sent again, and said so
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
#define RESEND_NS (2 * NSEC_PER_SEC)
#define RESENDS_MAX 15
#define WINDOW_MAX 128u /* frames; fewer than any receive ring, so nothing is dropped on the way */

static const char default_sizes[] = "60,128,512,1024,1514,2048,4096,9014";

static struct ping {
	struct netdev *dev;
	struct loop *loop;
	struct loop_call kick; /* the main thread asks for a send */
	struct completion round;

	/* the loop's thread while a size runs, the main thread between */
	/*
	 * One more than the window: a reply may be here before the driver has given back the
	 * request.
	 */
	struct ping_slot {
		struct nettx tx;
		bool busy;
		uint64_t sent_ns;
		struct echo_frame *frame;
	} slot[WINDOW_MAX + 1];
	unsigned window;
	bool held_up;          /* the next frame waits for its slot */
	uint8_t peer[ETH_ADDR_LEN];
	bool peer_known;
	uint32_t size;
	uint32_t seq;          /* of the frame sent last */
	uint32_t expect;       /* of the next reply: they come in order */
	uint32_t last;         /* of the last frame of this size */
	unsigned n, got;
	uint64_t begin_ns, end_ns;
	uint64_t *sample;
	_Atomic unsigned progress, bad;
} ping;

static struct ping_slot *slot_of(uint32_t seq)
{
	return &ping.slot[seq % (ping.window + 1)];
}

static void tx_done(struct nettx *tx);

static bool send_frame(struct ping_slot *s, uint32_t seq)
{
	struct echo_frame *f = s->frame;
	f->seq = be32(seq);
	/*
	 * The bytes differ from round to round, so that an old reply does not pass; sent again they
	 * are the same, so that the reply to the first one does.
	 */
	f->bytes[seq % (ping.size - sizeof(*f))] = (uint8_t)(seq * 37 + (seq >> 8));
	s->tx.frag[0].kva = f;
	s->tx.frag[0].len = ping.size;
	s->tx.nfrags = 1;
	s->tx.done = tx_done;
	s->busy = true;
	s->sent_ns = clock_mono_ns();
	if (!ping.dev->ops->xmit(ping.dev, &s->tx, false))
		return true;
	s->busy = false;
	return false;
}

/* Sends what the window allows. */
static void fill_window(void)
{
	while (ping.seq != ping.last && ping.seq + 1 - ping.expect < ping.window) {
		struct ping_slot *s = slot_of(ping.seq + 1);
		ping.held_up = s->busy;
		if (s->busy)
			return;
		ping.seq++;
		if (!send_frame(s, ping.seq)) {
			ping.seq--;
			return;
		}
	}
}

static void tx_done(struct nettx *tx)
{
	struct ping_slot *s = container_of(tx, struct ping_slot, tx);
	s->busy = false;
	if (ping.held_up)
		fill_window();
}

static void kick_fn(struct loop_call *c)
{
	/* Nothing came back for long: what is not answered begins anew. */
	ping.seq = ping.expect - 1;
	fill_window();
}

static bool same_bytes(const struct netbuf *nb)
{
	const uint8_t *want = (const uint8_t *)slot_of(ping.expect)->frame;
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

/* False: not the reply that is due; it may be late, after a resend. */
static bool take_reply(const struct netbuf *nb, const struct echo_frame *f, uint64_t now)
{
	if (be32_get(f->seq) != ping.expect || ping.expect - 1 == ping.last)
		return false;
	if (nb->frame_len != ping.size || !same_bytes(nb))
		atomic_fetch_add(&ping.bad, 1);
	if (!ping.peer_known)
		memcpy(ping.peer, f->src, ETH_ADDR_LEN);
	ping.peer_known = true;
	ping.sample[ping.got++] = now - slot_of(ping.expect)->sent_ns;
	ping.expect++;
	ping.end_ns = now;
	atomic_fetch_add(&ping.progress, 1);
	return true;
}

static void ping_rx(struct netdev *dev, struct netbuf *nb, void *arg)
{
	uint64_t now = clock_mono_ns();
	const struct echo_frame *f = echo_decode(nb);
	bool due = f && f->op == ECHO_REPLY && take_reply(nb, f, now);
	netbuf_free_chain(nb);
	if (!due)
		return;
	fill_window();
	if (ping.got == ping.n)
		complete(&ping.round);
}

static void ping_tx_room(struct netdev *dev, void *arg)
{
	fill_window();
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
	for (unsigned i = 0; i <= ping.window; i++)
		prepare_frame(ping.slot[i].frame, size, op);
	ping.size = size;
	ping.n = n;
	ping.got = 0;
	ping.expect = ping.seq + 1;
	ping.last = ping.seq + n;
	ping.begin_ns = clock_mono_ns();
	completion_init(&ping.round);
}

static int find_peer(void)
{
	prepare(ECHO_FRAME_MIN, 1, ECHO_REQUEST);
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
	if (resends)
		log_warn("size=%u: sent again %u times", size, resends);
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

static void report(uint32_t size, unsigned n)
{
	char stream[48] = "";
	uint64_t ns = KMAX(ping.end_ns - ping.begin_ns, (uint64_t)1);
	if (ping.window > 1)
		snprintf(stream, sizeof(stream), " window=%u mbit_s=%llu", ping.window,
			 (unsigned long long)((uint64_t)n * size * 8 * 1000 / ns));
	sort(ping.sample, n);
	log_info("size=%u n=%u median_ns=%llu best_ns=%llu%s", size, n,
		 (unsigned long long)ping.sample[n / 2], (unsigned long long)ping.sample[0],
		 stream);
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
		report((uint32_t)size, n);
	}
	return 0;
}

/* Tells a server that was started for this one run. */
static void say_bye(void)
{
	prepare(ECHO_FRAME_MIN, 1, ECHO_BYE);
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
	ping.window = (unsigned)cmdline_u64("echo.window", 1);
	if (ping.window == 0 || ping.window > WINDOW_MAX)
		return -EINVAL;
	for (unsigned i = 0; i <= ping.window; i++)
		if (!(ping.slot[i].frame = kzalloc(ECHO_FRAME_MAX)))
			return -ENOMEM;
	ping.sample = kzalloc(n * sizeof(ping.sample[0]));
	ping.loop = loop_create("echo", 0);
	if (!ping.sample || !ping.loop)
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
