// SPDX-License-Identifier: GPL-2.0-only
/*
 * The credit scheme: the real stub against the real skeleton, every pair of buffer and write size
 * (powers of two up to the window, and one less and one more), both directions, both data
 * configurations, in dma also with early descriptors whose bytes come late. The bytes arrive as
 * they were sent; books.c sees that nobody exceeds its credit or uses memory too early; at the end
 * of each pair the credit is back, of received bytes but for what a reader does not report yet, and
 * all of it with the end of the connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <kern/string.h>
#include <proto/gpm.h>

#include "../../ncomponent/whole/side.h"
#include "books.h"
#include "net/stub.h"
#include "sim.h"

#define RING SOCK_WINDOW_DEFAULT
#define TURNS 8u /* how often the smaller of the two is gone through */
#define PORT 80

void fabric_start(void);

/* ASan keeps so much freed memory from use; fresh pages for its 256 MB took a fifth of the time. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=16";
}

static uint32_t size[64];
static unsigned nsizes;
static uint8_t pattern[4 * RING];

/* Powers of two, with their neighbours: 1, a page, the pool and the window are among them. */
static void make_sizes(void)
{
	for (uint32_t p = 1; p <= RING; p *= 2)
		for (uint32_t n = p - 1; n <= p + 1; n++)
			if (n && (!nsizes || n > size[nsizes - 1]))
				size[nsizes++] = n;
}

/* ---- a connection ---- */

static struct stub *listener, *end[2];

static bool accepted(void *arg)
{
	return stub_accept(listener, true, &end[1]) == 0;
}

static bool closed(void *arg)
{
	return !n_side_skeletons();
}

static void connect(uint8_t mode, uint32_t buffer)
{
	const struct stub_owner owner = { mode, NODE_M, 0, false };

	n_side_window(buffer);
	listener = stub_create(SOCK_TYPE_STREAM, 0, &owner);
	end[0] = stub_create(SOCK_TYPE_STREAM, 0, &owner);
	listener->rx_window = end[0]->rx_window = buffer;
	listener->opts.reuseaddr = 1; /* the last one waits in TIME_WAIT */
	assert_int_equal(stub_bind(listener, SIDE_IP, PORT), 0);
	assert_int_equal(stub_listen(listener, 1), 0);
	assert_int_equal(stub_connect(end[0], SIDE_IP, PORT, true), -EINPROGRESS);
	assert_true(sim_run(accepted, NULL, NSEC_PER_SEC));
	assert_int_equal(end[1]->rx_window, buffer);
}

static void disconnect(void)
{
	stub_release(end[0]);
	stub_release(end[1]);
	stub_release(listener);
	assert_true(sim_run(closed, NULL, 10 * NSEC_PER_SEC));
	assert_true(n_side_idle());
	books_reset();
}

/* ---- bytes ---- */

struct way {
	struct stub *from, *to;
	uint32_t write, total, sent, got;
};

static ssize_t_k put(struct way *w)
{
	uint32_t n = KMIN(w->write, w->total - w->sent);
	struct uio_seg seg = { (uintptr_t)pattern + w->sent, n };
	struct uio u = { .seg = &seg, .nsegs = 1, .left = n, .kernel = true };

	return n ? stub_send(w->from, &u, STUB_DONTWAIT) : -EAGAIN;
}

static ssize_t_k get(struct way *w)
{
	static uint8_t bytes[RING];
	struct uio_seg seg = { (uintptr_t)bytes, sizeof(bytes) };
	struct uio u = { .seg = &seg, .nsegs = 1, .left = sizeof(bytes), .kernel = true };
	ssize_t_k n = stub_recv(w->to, &u, STUB_DONTWAIT);

	if (n > 0)
		assert_memory_equal(bytes, pattern + w->got, n);
	return n;
}

/* As much as can be written, then what has come. True: all has. */
static bool move(void *arg)
{
	struct way *w = arg;
	ssize_t_k n;

	while ((n = put(w)) > 0)
		w->sent += (uint32_t)n;
	assert_int_equal(n, -EAGAIN);
	n = get(w);
	if (n > 0)
		w->got += (uint32_t)n;
	else
		assert_int_equal(n, -EAGAIN);
	return w->got == w->total;
}

/* What a reader has consumed and not reported: less than a quarter, or than the pool's share. */
static uint64_t owed(const struct stub *s)
{
	uint64_t n = s->rx_consumed - s->rx_reported;

	assert_true(!n || n < KMIN(s->rx_window / 4, s->leg->peer->rx_len / 64));
	return n;
}

static bool settled(void *arg)
{
	const struct net_peer *p = peer_in_loop(NODE_N);

	return !books_open(TO_SKELETON) && p->tx_pool.free_chunks == p->tx_pool.nchunks &&
	       books_open(TO_STUB) == owed(end[0]) + owed(end[1]);
}

static void one_pair(uint32_t buffer, uint32_t write, unsigned from)
{
	uint32_t small = KMIN(buffer, write), large = KMAX(buffer, write);
	struct way w = { end[from], end[!from], write, KMIN(2 * large, TURNS * small) + 1, 0, 0 };

	if (!sim_run(move, &w, 60 * NSEC_PER_SEC))
		fail_msg("buffer %u, write %u: %u of %u came", buffer, write, w.got, w.total);
	if (!sim_run(settled, NULL, NSEC_PER_SEC))
		fail_msg("buffer %u, write %u: credit did not come back", buffer, write);
}

static void every_pair(uint8_t mode)
{
	for (unsigned b = 0; b < nsizes; b++) {
		connect(mode, size[b]);
		for (unsigned w = 0; w < nsizes; w++)
			for (unsigned from = 0; from < 2; from++)
				one_pair(size[b], size[w], from);
		disconnect();
	}
}

static void test_ddio(void **state)
{
	every_pair(DATA_DDIO);
	assert_int_equal(counter_get(stub_dma, descriptors), 0);
}

static void test_dma(void **state)
{
	every_pair(DATA_DMA);
	assert_true(counter_get(stub_dma, descriptors) > nsizes * nsizes);
	assert_true(counter_get(stub_dma, reads) > nsizes * nsizes);
}

static void test_early(void **state)
{
	uint64_t reads = counter_get(stub_dma, reads);

	net.dma_early = true;
	n_side_early(true);
	every_pair(DATA_DMA);
	net.dma_early = false;
	n_side_early(false);
	assert_true(counter_get(stub_dma, early) > nsizes * nsizes);
	assert_true(counter_get(stub_dma, early_again) > nsizes);
	assert_true(counter_get(stub_dma, reads) > reads + nsizes * nsizes);
	assert_true(n_side_early_again() > nsizes);
	assert_int_equal(counter_get(stub_dma, early_lost), 0);
}

static int setup(void **state)
{
	const struct net_config cfg = { .pool_bytes = NET_POOL_MIN, .sockmem_bytes = 1u << 20,
		.dma_prefetch = true, .gather_max = NET_GATHER_DEFAULT, .data_mode = DATA_DDIO };

	make_sizes();
	for (unsigned i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 31 + i / 251 + i / 65000);
	sim_reset(1);
	books_reset();
	n_side_start();
	fabric_start();
	return net_core_init(&cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_ddio),
			cmocka_unit_test(test_dma), cmocka_unit_test(test_early) };

	return cmocka_run_group_tests(tests, setup, NULL);
}
