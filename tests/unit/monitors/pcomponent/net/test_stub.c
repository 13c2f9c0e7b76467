// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stub's core against scripted skeletons: names, queues, credit, ends, bad events. Nothing
 * may be left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <linux.h>
#include <linux/eventpoll.h>
#include <proto/gpm.h>
#include <stdlib.h>

#include "fake.h"

#define ERESTARTSYS 512 /* proc/task.h, which does not go with a C library */

#define WINDOW SOCK_WINDOW_DEFAULT
#define IN (EPOLLIN | EPOLLRDNORM)
#define OUT (EPOLLOUT | EPOLLWRNORM)

static const struct stub_owner owner = { DATA_DDIO, NODE_M, 0, false };
static uint64_t objects, pages;

static int begin(void **state)
{
	fake_reset();
	gnm_forget();
	objects = linux_kmalloc_live();
	pages = linux_pages_live();
	return 0;
}

/* Both nComponents die: after that nothing of the test may be alive. */
static int end(void **state)
{
	fake_complete_all();
	net_node_gone(NODE_N);
	net_node_gone(NODE_N2);
	assert_int_equal(linux_pages_live(), pages);
	assert_int_equal(linux_kmalloc_live(), objects);
	fake_free();
	return 0;
}

static struct stub *make(void)
{
	struct stub *s = stub_create(1, 6, &owner);

	assert_non_null(s);
	return s;
}

static struct stub *listener(struct sock_handle *h)
{
	struct stub *s = make();

	assert_int_equal(stub_bind(s, 0x0a000001, 80), 0);
	*h = fake.last_stub;
	assert_int_equal(stub_listen(s, 3), 0);
	return s;
}

/* A connection, established by connect(). */
static struct stub *connected(struct sock_handle *h)
{
	struct stub *s = make();

	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	*h = fake.last_stub;
	fake_connected(0);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), 0);
	return s;
}

static ssize_t_k send_bytes(struct stub *s, const void *data, uint64_t n, unsigned flags)
{
	struct uio_seg seg = { (uintptr_t)data, n };
	struct uio u = { .seg = &seg, .nsegs = 1, .left = n, .kernel = true };

	return stub_send(s, &u, flags);
}

static ssize_t_k recv_bytes(struct stub *s, void *data, uint64_t n, unsigned flags)
{
	struct uio_seg seg = { (uintptr_t)data, n };
	struct uio u = { .seg = &seg, .nsegs = 1, .left = n, .kernel = true };

	return stub_recv(s, &u, flags);
}

static const struct sock_end *last_end(uint16_t op)
{
	return (const void *)fake_last(op)->data;
}

/* ---- names ---- */

static void test_bind_learns_port(void **state)
{
	struct stub *s = make();

	assert_int_equal(stub_poll(s), OUT | EPOLLHUP);
	assert_int_equal(stub_bind(s, 0, 0), 0);
	assert_int_equal(s->local.port, 33000);
	assert_int_equal(stub_bind(s, 0, 0), -EINVAL);
	stub_release(s);
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 1);
	fake_closed(fake.last_stub);
}

static void test_wildcard_on_two_nodes(void **state)
{
	struct stub *s = make();

	fake.places = 2;
	fake.taken_port[0] = 33000; /* free on the first, taken on the second */
	assert_int_equal(stub_bind(s, 0, 0), 0);
	assert_int_equal(s->local.port, 33001);
	assert_int_equal(fake.opens, 4);
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 1); /* the claim that was given back */
	fake.taken_port[1] = 80;
	struct stub *t = make();
	assert_int_equal(stub_bind(t, 0, 80), -EADDRINUSE);
	assert_true(LIST_EMPTY(&t->legs));
	assert_int_equal(fake.gnm_calls, 1);
	stub_release(t);
	stub_release(s);
}

static void test_first_contact_fails(void **state)
{
	struct stub *s = make();

	fake.hello_error = -EHOSTDOWN;
	assert_int_equal(stub_bind(s, 0, 80), -EHOSTDOWN);
	fake.hello_error = 0;
	assert_int_equal(stub_bind(s, 0, 80), 0);
	assert_int_equal(fake.hellos, 2);
	stub_release(s);
}

/* ---- connect ---- */

static void test_connect(void **state)
{
	struct stub *s = make();

	assert_int_equal(send_bytes(s, "x", 1, 0), -EPIPE);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EALREADY);
	assert_int_equal(stub_poll(s), 0);
	assert_int_equal(send_bytes(s, "x", 1, STUB_DONTWAIT), -EAGAIN);
	fake_connected(0);
	assert_int_equal(stub_poll(s), OUT);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), 0);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EISCONN);
	assert_int_equal(s->local.port, 40000);
	stub_release(s);
	assert_int_equal(le32_get(last_end(OP_SOCK_CLOSE)->flags), 0);
}

static void test_connect_refused(void **state)
{
	struct stub *s = make();

	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	fake_connected(-ECONNREFUSED);
	assert_int_equal(stub_poll(s) & (EPOLLERR | EPOLLHUP | EPOLLOUT),
			 EPOLLERR | EPOLLHUP | EPOLLOUT);
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 1); /* the claim of its own choice */
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -ECONNREFUSED);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	fake_connected(-ETIMEDOUT);
	assert_int_equal(stub_take_error(s), ETIMEDOUT);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -ECONNABORTED);
	stub_release(s);
}

static void test_close_while_connecting(void **state)
{
	struct stub *s = make();

	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	stub_release(s);
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 1);
	fake_connected(0); /* crossed it */
	s = make();
	assert_int_equal(stub_bind(s, 0, 0), 0);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	stub_release(s);
	assert_true(fake.canceled);
	fake_connected(-ECANCELED);
}

/* A socket with a name asks for it by a call of its own. */
static void test_connect_bound(void **state)
{
	struct stub *s = make();

	assert_int_equal(stub_bind(s, 0, 0), 0);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	assert_non_null(fake.connect);
	fake_connected(0);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), 0);
	stub_release(s);
}

/* One message, whichever of reply and event is looked at first; the death of the board ends it. */
static void test_connect_event(void **state)
{
	struct stub *s = make();
	unsigned opens = fake.opens;

	fake.event_first = true;
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, false), 0);
	fake.event_first = false;
	assert_int_equal(fake.opens, opens + 1);
	assert_int_equal(s->local.port, 40000);
	assert_int_equal(send_bytes(s, "x", 1, 0), 1);
	fake_complete_all();
	stub_release(s);
	s = make();
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	net_node_gone(NODE_N);
	fake.connecting.gen = le32(0);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -ENETUNREACH);
	stub_release(s);
	s = make();
	fake.open_error = -ENOBUFS;
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -ENOBUFS);
	fake.open_error = 0;
	assert_int_equal(s->remote.port, 0);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	stub_release(s);
}

static void test_connect_signal(void **state)
{
	struct stub *s = make();

	fake.signal = true;
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, false), -ERESTARTSYS);
	fake.signal = false;
	fake_connected(0); /* it went on by itself */
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, false), 0);
	stub_release(s);
}

/* ---- accept ---- */

static void test_accept(void **state)
{
	struct sock_handle h;
	struct stub *s = listener(&h), *c;

	assert_int_equal(stub_accept(s, true, &c), -EAGAIN);
	fake_accept(h, 100);
	assert_int_equal(fake_count(OP_SOCK_ATTACH), 1); /* before accept() */
	fake_record(fake.last_stub, "early", 5, 0);
	assert_int_equal(stub_poll(s), IN);
	assert_int_equal(stub_accept(s, true, &c), 0);
	assert_int_equal(fake_count(OP_SOCK_ACCEPTED), 1);
	assert_int_equal(stub_poll(s), 0);
	assert_int_equal(c->remote.port, 55555);
	char buf[8];
	assert_int_equal(recv_bytes(c, buf, 8, 0), 5);
	assert_memory_equal(buf, "early", 5);
	stub_release(c);
	stub_release(s);
}

static void test_backlog(void **state)
{
	struct sock_handle h;
	struct stub *s = listener(&h), *c;

	for (uint32_t i = 0; i < 6; i++)
		fake_accept(h, 100 + i);
	assert_int_equal(s->nqueued, 4); /* backlog 3, and one as on Linux */
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 2);
	assert_int_equal(stub_accept(s, true, &c), 0);
	stub_release(c);
	stub_release(s); /* three were never accepted: reset */
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 2 + 1 + 3 + 1);
	fake_accept(h, 200); /* crossed the close */
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 8);
}

static void test_shutdown_listener(void **state)
{
	struct sock_handle h;
	struct stub *s = listener(&h), *c;

	assert_int_equal(stub_shutdown(s, 0), 0);
	assert_int_equal(stub_accept(s, false, &c), -EINVAL);
	stub_release(s);
}

/* ---- sending ---- */

static struct sock_record *record_at(unsigned i)
{
	return fake.xfer[i]->frag[0].addr;
}

static void test_send(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);

	assert_int_equal(send_bytes(s, "hello", 5, STUB_MORE), 5);
	assert_int_equal(fake.nxfers, 1);
	assert_int_equal(fake.xfer[0]->frag[0].len, 16 + 5);
	assert_true(fake.xfer[0]->has_imm);
	assert_int_equal(fake.xfer[0]->imm * SOCK_UNIT, fake.xfer[0]->off);
	assert_int_equal(le32_get(record_at(0)->len), 5);
	assert_int_equal(le16_get(record_at(0)->flags), SOCK_REC_MORE);
	assert_memory_equal(record_at(0) + 1, "hello", 5);
	fake_complete_all();
	assert_int_equal(stub_outq(s), 5);
	fake_tx_done(h, 5);
	assert_int_equal(stub_outq(s), 0);
	stub_release(s);
	assert_int_equal(le64_get(last_end(OP_SOCK_CLOSE)->tx_bytes), 5);
}

static void test_window(void **state)
{
	static uint8_t big[2 * WINDOW];
	struct sock_handle h;
	struct stub *s = connected(&h);
	unsigned before;

	for (unsigned i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 31 >> 3);
	assert_int_equal(send_bytes(s, big, sizeof(big), STUB_DONTWAIT), WINDOW);
	assert_int_equal(send_bytes(s, big, 1, STUB_DONTWAIT), -EAGAIN);
	assert_int_equal(stub_poll(s), 0);
	uint64_t sum = 0;
	while (fake.nxfers) {
		assert_memory_equal(record_at(0) + 1, big + sum, le32_get(record_at(0)->len));
		sum += le32_get(record_at(0)->len);
		fake_complete(0);
	}
	assert_int_equal(sum, WINDOW);
	before = fake.notified;
	fake_tx_done(h, WINDOW / 8); /* less than a third is free */
	assert_int_equal(fake.notified, before);
	assert_int_equal(stub_poll(s), 0);
	fake_tx_done(h, WINDOW / 2);
	assert_int_equal(fake.notified, before + 1);
	assert_int_equal(stub_poll(s), OUT);
	assert_int_equal(send_bytes(s, big, WINDOW, STUB_DONTWAIT), WINDOW / 2);
	fake_complete_all();
	stub_release(s);
	fake_closed(h);
}

/* Many sockets fill the pool; who waits for it goes on when others are done. */
static void test_pool_full(void **state)
{
	static uint8_t big[WINDOW];
	struct sock_handle h[8];
	struct stub *s[8];
	uint64_t sent[8];

	for (unsigned i = 0; i < 8; i++) {
		s[i] = connected(&h[i]);
		sent[i] = (uint64_t)send_bytes(s[i], big, sizeof(big), STUB_DONTWAIT);
	}
	fake_complete_all();
	assert_int_equal((int64_t)sent[7], -EAGAIN);
	assert_int_equal(stub_poll(s[7]), 0);
	fake_tx_done(h[0], s[0]->leg->tx_posted); /* a tail still waits for room */
	assert_int_equal(stub_poll(s[7]), OUT);
	assert_int_equal(send_bytes(s[7], big, 5000, STUB_DONTWAIT), 5000);
	fake_complete_all();
	for (unsigned i = 0; i < 8; i++) {
		stub_release(s[i]);
		fake_closed(h[i]);
	}
}

/* Many small sends: two records, and the rest together when one of them has arrived. */
static void test_gather(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);
	char text[64] = "";

	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(send_bytes(s, &"abcdef"[i], 1, i < 5 ? STUB_MORE : 0), 1);
	assert_int_equal(fake.nxfers, 2);
	assert_int_equal(stub_outq(s), 6);
	fake_tx_done(h, 3); /* the skeleton cannot have more than two */
	assert_int_equal(stub_outq(s), 6);
	fake_complete(0);
	assert_int_equal(fake.nxfers, 2);
	assert_int_equal(le32_get(record_at(1)->len), 4);
	assert_int_equal(le16_get(record_at(1)->flags), 0);
	assert_memory_equal(record_at(1) + 1, "cdef", 4);
	assert_int_equal(send_bytes(s, "gh", 2, 0), 2);
	static uint8_t big[20000];
	assert_int_equal(send_bytes(s, big, sizeof(big), 0), sizeof(big));
	assert_int_equal(fake.nxfers, 4); /* what was pending goes before it */
	memcpy(text, record_at(2) + 1, 2);
	assert_string_equal(text, "gh");
	assert_int_equal(send_bytes(s, "i", 1, 0), 1);
	assert_int_equal(stub_shutdown(s, 1), 0);
	assert_int_equal(fake.nxfers, 5); /* and before a FIN */
	assert_int_equal(le64_get(last_end(OP_SOCK_SHUTDOWN)->tx_bytes), 9 + sizeof(big));
	fake_complete_all();
	stub_release(s);
	s = connected(&h);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(send_bytes(s, "x", 1, 0), 1);
	fake_closed(h); /* with one pending */
	fake_complete_all();
	stub_release(s);
}

/* Gathered bytes fill buffers and windows; none is lost or out of place. */
static void test_gather_much(void **state)
{
	static uint8_t got[WINDOW];
	struct sock_handle h;
	struct stub *s = connected(&h);
	uint64_t sent = 0, at = 0;

	for (;;) {
		uint8_t piece[3000];
		uint32_t n = 1 + (uint32_t)(sent * 7 % sizeof(piece));

		for (uint32_t i = 0; i < n; i++)
			piece[i] = (uint8_t)((sent + i) * 31 >> 3);
		ssize_t_k r = send_bytes(s, piece, n, STUB_DONTWAIT);
		if (r < 0)
			break;
		sent += (uint64_t)r;
	}
	assert_int_equal(sent, WINDOW);
	while (fake.nxfers) {
		uint32_t n = le32_get(record_at(0)->len);

		memcpy(got + at, record_at(0) + 1, n);
		at += n;
		fake_complete(0);
	}
	assert_int_equal(at, WINDOW);
	for (uint64_t i = 0; i < WINDOW; i++)
		assert_int_equal(got[i], (uint8_t)(i * 31 >> 3));
	stub_release(s);
	fake_closed(h);
}

static void test_bad_tx_done(void **state)
{
	struct sock_handle h, wrong;
	struct stub *s = connected(&h);
	uint64_t bad = counter_get(stub, bad_event), stale = counter_get(stub, stale);

	assert_int_equal(send_bytes(s, "hello", 5, 0), 5);
	fake_complete_all();
	fake_tx_done(h, 6);
	fake_tx_done(h, 5);
	fake_tx_done(h, 4);
	assert_int_equal(counter_get(stub, bad_event), bad + 2);
	wrong = (struct sock_handle){ h.index, le32(le32_get(h.gen) + 1) };
	fake_tx_done(wrong, 5);
	wrong = (struct sock_handle){ le32(UINT32_MAX), h.gen };
	fake_tx_done(wrong, 5);
	assert_int_equal(counter_get(stub, stale), stale + 2);
	stub_release(s);
}

static void test_send_fails(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);

	assert_int_equal(send_bytes(s, NULL, 5, 0), -EFAULT);
	assert_int_equal(send_bytes(s, "hello", 5, 0), 5);
	fake_complete(-EHOSTDOWN);
	assert_int_equal(send_bytes(s, "hello", 5, 0), -ECONNRESET);
	assert_int_equal(send_bytes(s, "hello", 5, 0), -EPIPE);
	stub_release(s);
}

/* ---- receiving ---- */

static void test_recv(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);
	char buf[64];

	assert_int_equal(recv_bytes(s, buf, 1, STUB_DONTWAIT), -EAGAIN);
	fake_record(h, "abc", 3, 0);
	fake_record(h, "defgh", 5, 0);
	assert_int_equal(stub_poll(s), IN | OUT);
	assert_int_equal(recv_bytes(s, buf, 6, STUB_PEEK), 6);
	assert_int_equal(recv_bytes(s, buf, 2, STUB_PEEK), 2);
	assert_int_equal(stub_inq(s), 8);
	assert_int_equal(recv_bytes(s, buf, 2, 0), 2);
	assert_int_equal(recv_bytes(s, buf, 4, STUB_PEEK), 4);
	assert_memory_equal(buf, "cdef", 4);
	assert_int_equal(recv_bytes(s, buf, 64, 0), 6);
	assert_memory_equal(buf, "cdefgh", 6);
	assert_int_equal(stub_poll(s), OUT);
	fake_record(h, "0123456789", 10, 0);
	assert_int_equal(recv_bytes(s, buf, 4, STUB_TRUNC), 4);
	assert_int_equal(recv_bytes(s, NULL, 4, 0), -EFAULT);
	assert_int_equal(recv_bytes(s, buf, 64, STUB_DONTWAIT | STUB_WAITALL), 6);
	assert_memory_equal(buf, "456789", 6);
	stub_release(s);
}

static void test_reports(void **state)
{
	static uint8_t data[4096];
	struct sock_handle h;
	struct stub *s = connected(&h);

	for (unsigned i = 0; i < WINDOW / 4 / 4096 - 1; i++) {
		fake_record(h, data, 4096, 0);
		assert_int_equal(recv_bytes(s, data, 4096, 0), 4096);
	}
	assert_int_equal(fake_count(OP_SOCK_RX_DONE), 0);
	fake_record(h, data, 4096, 0);
	assert_int_equal(recv_bytes(s, data, 4096, 0), 4096);
	assert_int_equal(fake_count(OP_SOCK_RX_DONE), 1);
	struct sock_rx_done *m = (void *)fake_last(OP_SOCK_RX_DONE)->data;
	assert_int_equal(le64_get(m->bytes), WINDOW / 4);
	stub_release(s);
}

/* Idle sockets that hold a little each report when it is a quarter of the pool together. */
static void test_idle_sockets_report(void **state)
{
	enum { N = 24 };
	static uint8_t data[61440]; /* below what is reported at once */
	struct sock_handle h[N];
	struct stub *s[N];

	for (unsigned i = 0; i < N; i++) {
		s[i] = connected(&h[i]);
		fake_record(h[i], data, sizeof(data), 0);
		assert_int_equal(recv_bytes(s[i], data, sizeof(data), 0), sizeof(data));
	}
	assert_true(fake_count(OP_SOCK_RX_DONE) >= (1 << 20) / sizeof(data));
	for (unsigned i = 0; i < N; i++)
		stub_release(s[i]);
}

static void test_fin(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);
	char buf[8];

	fake_state(h, 0, SOCKEVT_FIN, 3); /* overtook its data */
	assert_int_equal(stub_poll(s), OUT);
	assert_int_equal(recv_bytes(s, buf, 8, STUB_DONTWAIT), -EAGAIN);
	fake_record(h, "abc", 3, 0);
	assert_int_equal(stub_poll(s), IN | OUT | EPOLLRDHUP);
	assert_int_equal(recv_bytes(s, buf, 8, 0), 3);
	assert_int_equal(recv_bytes(s, buf, 8, 0), 0);
	assert_int_equal(send_bytes(s, "bye", 3, 0), 3); /* half closed */
	assert_int_equal(stub_shutdown(s, 1), 0);
	assert_int_equal(send_bytes(s, "bye", 3, 0), -EPIPE);
	assert_int_equal(stub_poll(s), IN | OUT | EPOLLRDHUP | EPOLLHUP);
	assert_int_equal(le64_get(last_end(OP_SOCK_SHUTDOWN)->tx_bytes), 3);
	stub_release(s);
}

static void test_fin_in_record(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);
	char buf[8];

	fake_record(h, "abc", 3, SOCK_REC_FIN);
	assert_int_equal(recv_bytes(s, buf, 8, STUB_WAITALL), 3);
	assert_int_equal(recv_bytes(s, buf, 8, 0), 0);
	stub_release(s);
	s = connected(&h);
	fake_record(h, "", 0, SOCK_REC_FIN);
	assert_int_equal(recv_bytes(s, buf, 8, 0), 0);
	stub_release(s);
}

static void test_reset(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);
	char buf[8];

	fake_record(h, "abc", 3, 0);
	fake_state(h, ECONNRESET, SOCKEVT_WR_CLOSED, 5); /* two more bytes are on their way */
	assert_int_equal(send_bytes(s, "x", 1, 0), -ECONNRESET);
	assert_int_equal(stub_take_error(s), 0);
	fake_record(h, "de", 2, 0);
	assert_true(stub_poll(s) & EPOLLERR);
	assert_int_equal(recv_bytes(s, buf, 8, 0), 5);
	assert_int_equal(recv_bytes(s, buf, 8, 0), -ECONNRESET);
	assert_int_equal(recv_bytes(s, buf, 8, 0), 0);
	assert_int_equal(stub_shutdown(s, 2), -ENOTCONN);
	fake_closed(h);
	stub_release(s);
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 0); /* there is nobody to tell */
}

static void test_unread_data_resets(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);

	fake_record(h, "abc", 3, 0);
	stub_release(s);
	assert_int_equal(le32_get(last_end(OP_SOCK_CLOSE)->flags), SOCK_CLOSE_RESET);
	fake_record(h, "late", 4, 0);
}

static void test_bad_records(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);
	uint64_t bad = counter_get(stub, bad_record);
	char buf[8];

	rx_imm(NODE_N, fake.rx_len / SOCK_UNIT, 16, NULL);
	rx_imm(NODE_N, fake.rx_len / SOCK_UNIT - 1, 32, NULL);
	rx_imm(NODE_N, 0, 8, NULL);
	rx_imm(NODE_N, 0xfffffff, 64, NULL);
	rx_imm(FIT_NODES_MAX, 0, 64, NULL);
	fake_record(h, "", 0, 0);
	fake_desc(h, 0, 100); /* this socket has no socket memory */
	assert_true(counter_get(stub, bad_record) >= bad + 6);
	assert_int_equal(recv_bytes(s, buf, 8, STUB_DONTWAIT), -ECONNRESET);
	stub_release(s);
}

static void test_window_violation(void **state)
{
	static uint8_t data[65536];
	struct sock_handle h;
	struct stub *s;

	s = connected(&h);
	for (unsigned i = 0; i < WINDOW / sizeof(data); i++)
		fake_record(h, data, sizeof(data), 0);
	assert_int_equal(stub_inq(s), WINDOW);
	fake_record(h, data, 1, 0);
	assert_int_equal(stub_take_error(s), ECONNRESET);
	stub_release(s);
}

/* ---- dma ---- */

static struct stub *connected_dma(struct sock_handle *h)
{
	struct stub *s = connected(h);

	stub_release(s);
	s = stub_create(1, 6, &(struct stub_owner){ DATA_DMA, NODE_M, 0, false });
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	*h = fake.last_stub;
	fake_connected(0);
	return s;
}

static void test_dma_send(void **state)
{
	struct sock_handle h;
	struct stub *s = connected_dma(&h);
	struct sock_desc *d;

	assert_int_equal(send_bytes(s, "hello", 5, 0), 5);
	assert_int_equal(send_bytes(s, "world!", 6, 0), 6);
	assert_int_equal(fake.xfer[0]->node, NODE_M);
	assert_false(fake.xfer[0]->has_imm);
	fake_tx_done(h, 5); /* the skeleton cannot know of it yet */
	assert_int_equal(stub_outq(s), 11);
	fake_complete(0);
	fake_complete(0);
	assert_int_equal(fake.nxfers, 2);
	assert_int_equal(fake.xfer[0]->node, NODE_N);
	assert_int_equal(le16_get(record_at(0)->flags), SOCK_REC_DESC);
	assert_int_equal(le32_get(record_at(1)->len), 6);
	d = (void *)(record_at(0) + 1);
	assert_int_equal(le64_get(d->len), 5);
	assert_memory_equal(fake.sm_tx + le64_get(d->off), "hello", 5);
	fake_complete_all();
	fake_tx_done(h, 11);
	assert_int_equal(stub_outq(s), 0);
	stub_release(s);
}

/* ---- auto ---- */

/* Sends n bytes and completes nothing. */
static void send_auto(struct stub *s, char c, unsigned n)
{
	char text[64];

	memset(text, c, n);
	assert_int_equal(send_bytes(s, text, n, 0), n);
}

/* Where a transfer goes. */
static bool to_sockmem(const struct fit_xfer *x)
{
	return x->node == NODE_M;
}

/*
 * Straight, until the other way is tried; what follows straight waits for the descriptor before
 * it, whatever it has to wait for; and all that is sent is accounted for on both pools.
 */
static void test_auto(void **state)
{
	struct stub *s = stub_create(1, 6, &(struct stub_owner){ DATA_AUTO, NODE_M, 0, false });
	struct sock_handle h;
	unsigned sends = 0;

	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	h = fake.last_stub;
	fake_connected(0);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), 0);
	for (;;) { /* one by one */
		send_auto(s, 'a', 10);
		sends++;
		assert_int_equal(fake.nxfers, 1);
		if (to_sockmem(fake.xfer[0]))
			break;
		assert_int_equal(fake.xfer[0]->node, NODE_N);
		fake_complete(0);
		assert_true(sends < 100);
	}
	assert_true(sends > 2);
	send_auto(s, 'b', 20); /* straight, so it waits */
	assert_int_equal(fake.nxfers, 1);
	assert_int_equal(s->leg->tx_sent - s->leg->tx_posted, 30);
	fake_complete(0); /* the bytes are there: descriptor, then what waited */
	assert_int_equal(fake.nxfers, 2);
	assert_int_equal(fake.xfer[0]->frag[0].len, 16 + sizeof(struct sock_desc));
	assert_int_equal(fake.xfer[1]->frag[0].len, 16 + 20);
	assert_int_equal(s->leg->tx_sent, s->leg->tx_posted);
	fake_complete_all();
	fake_tx_done(h, s->leg->tx_sent);
	assert_int_equal(s->leg->share.chunks, 0);
	assert_int_equal(s->leg->dma_share.chunks, 0);
	stub_release(s);
}

static void test_dma_recv(void **state)
{
	struct sock_handle h;
	struct stub *s = connected_dma(&h);
	char buf[16];

	memcpy(fake.sm_rx + 4096, "abcdef", 6);
	fake_desc(h, 4096, 3);
	fake_desc(h, 4099, 3);
	fake_record(h, "ghi", 3, 0); /* a fallback to ddio in between keeps its place */
	assert_int_equal(stub_poll(s), OUT);
	assert_int_equal(fake.nxfers, 2);
	fake_complete(0);
	assert_int_equal(stub_inq(s), 3);
	fake_complete(0);
	assert_int_equal(recv_bytes(s, buf, 16, 0), 9);
	assert_memory_equal(buf, "abcdefghi", 9);
	fake_desc(h, FAKE_POOL - 1, 2);
	assert_int_equal(stub_take_error(s), ECONNRESET);
	stub_release(s);
}

static void test_dma_home_dies(void **state)
{
	struct sock_handle h;
	struct stub *s = connected_dma(&h);

	assert_int_equal(send_bytes(s, "hello", 5, 0), 5);
	net_node_gone(NODE_M);
	fake_complete(-EHOSTDOWN);
	assert_int_equal(send_bytes(s, "hello", 5, 0), -ECONNRESET);
	stub_release(s);
}

/* ---- death and bad input ---- */

static void test_node_dies(void **state)
{
	struct sock_handle h, hl;
	struct stub *l = listener(&hl), *s = connected(&h), *c;
	char buf[8];

	fake_record(h, "abc", 3, 0);
	fake_accept(hl, 100);
	net_node_gone(NODE_N);
	assert_int_equal(recv_bytes(s, buf, 8, 0), 3); /* what is here is ours */
	assert_int_equal(recv_bytes(s, buf, 8, 0), -ECONNRESET);
	assert_int_equal(stub_accept(l, true, &c), 0);
	assert_int_equal(recv_bytes(c, buf, 8, 0), -ECONNRESET);
	stub_release(c);
	stub_release(s);
	stub_release(l);
	s = connected(&h); /* its next incarnation */
	stub_release(s);
	assert_int_equal(fake.hellos, 2);
}

/* A listener survives its board, and a wildcard reaches a board that comes later. */
static void test_rejoin(void **state)
{
	struct sock_handle h;
	struct stub *s = listener(&h), *w = make(), *c;

	assert_int_equal(stub_bind(w, 0, 81), 0);
	assert_int_equal(stub_listen(w, 3), 0);
	net_node_gone(NODE_N);
	assert_true(LIST_EMPTY(&s->legs) && LIST_EMPTY(&w->legs));
	net_node_joined(NODE_N);
	fake_accept(fake.last_stub, 300); /* of the wildcard, the younger one */
	assert_int_equal(stub_accept(w, true, &c), 0);
	stub_release(c);
	assert_false(LIST_EMPTY(&s->legs));
	fake.places = 2;
	net_node_joined(NODE_N2);
	assert_non_null(LIST_NEXT(LIST_FIRST(&w->legs), link));
	assert_null(LIST_NEXT(LIST_FIRST(&s->legs), link)); /* that address is not there */
	net_node_joined(NODE_N2);
	assert_int_equal(fake.opens, 2 + 2 + 1);
	stub_release(s);
	stub_release(w);
}

static void test_random_events(void **state)
{
	struct sock_handle h, hl;
	struct stub *l = listener(&hl), *s = connected(&h);
	uint32_t x = 12345;

	for (unsigned i = 0; i < 20000; i++) {
		uint8_t m[64];

		for (unsigned j = 0; j < sizeof(m); j++) {
			x = x * 1103515245 + 12345;
			m[j] = x >> 16 & 16 ? 0 : (uint8_t)(x >> 24);
		}
		if (i & 1)
			memcpy(m, i & 2 ? &h : &hl, sizeof(h));
		fake_event(NODE_N, PROTO_OP(PROTO_CLASS_SOCKEVT, 1 + x % 7), m, x >> 8 & 63);
		fake.nsent = 0;
	}
	stub_release(s);
	stub_release(l);
}

static void test_no_memory(void **state)
{
	for (long n = 0; n < 12; n++) {
		struct stub *s;
		struct sock_handle h;

		linux_fail_alloc_after(n);
		s = stub_create(1, 6, &owner);
		if (s && stub_connect(s, 0x0a0000fe, 5001, true) == -EINPROGRESS) {
			h = fake.last_stub;
			fake_connected(0);
			(void)send_bytes(s, "hello", 5, STUB_DONTWAIT);
			for (unsigned i = 0; i < 2 * NET_RX_INLINE; i++)
				fake_record(h, "x", 1, 0);
		}
		linux_fail_alloc_after(-1);
		fake_complete_all();
		if (s)
			stub_release(s);
		net_node_gone(NODE_N);
	}
}

/* ---- waiting ---- */

struct reader {
	struct stub *s;
	char buf[16];
	ssize_t_k got;
};

static void reader_main(void *arg)
{
	struct reader *r = arg;

	r->got = recv_bytes(r->s, r->buf, sizeof(r->buf), STUB_WAITALL);
}

static void test_blocked_reader(void **state)
{
	struct sock_handle h;
	struct reader r = { .s = connected(&h) };
	struct thread *t = thread_create("reader", reader_main, &r, CPU_ANY);

	thread_start(t);
	thread_sleep_ns(20 * NSEC_PER_MSEC);
	fake_record(h, "01234567", 8, 0);
	thread_sleep_ns(20 * NSEC_PER_MSEC);
	fake_record(h, "89abcdef", 8, 0);
	thread_join(t);
	thread_put(t);
	assert_int_equal(r.got, 16);
	assert_memory_equal(r.buf, "0123456789abcdef", 16);
	t = thread_create("reader", reader_main, &r, CPU_ANY);
	thread_start(t);
	thread_sleep_ns(20 * NSEC_PER_MSEC);
	assert_int_equal(stub_shutdown(r.s, 0), 0); /* from another thread */
	thread_join(t);
	thread_put(t);
	assert_int_equal(r.got, 0);
	stub_release(r.s);
}

int main(void)
{
	const struct net_config cfg = { .pool_bytes = NET_POOL_DEFAULT,
					.sockmem_bytes = FAKE_POOL,
					.dma_prefetch = true,
					.dma_pack = true,
					.gather_max = NET_GATHER_DEFAULT,
					.data_mode = DATA_DDIO };
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
		T(test_bind_learns_port), T(test_wildcard_on_two_nodes),
		T(test_first_contact_fails),
		T(test_connect), T(test_connect_refused), T(test_close_while_connecting),
		T(test_connect_bound), T(test_connect_event),
		T(test_connect_signal), T(test_accept), T(test_backlog), T(test_shutdown_listener),
		T(test_send), T(test_window), T(test_pool_full), T(test_bad_tx_done),
		T(test_gather),
		T(test_gather_much),
		T(test_send_fails), T(test_recv), T(test_reports), T(test_idle_sockets_report),
		T(test_fin), T(test_fin_in_record), T(test_reset), T(test_unread_data_resets),
		T(test_bad_records), T(test_window_violation), T(test_dma_send), T(test_dma_recv),
		T(test_dma_home_dies), T(test_auto), T(test_node_dies), T(test_rejoin),
		T(test_random_events), T(test_no_memory),
		T(test_blocked_reader),
	};

	assert_int_equal(net_core_init(&cfg), 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
