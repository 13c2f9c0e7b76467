// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests and their answers: tags, buffers, waiting.
 *
 * A call owns a tag and two buffers, made once for each tag; what is data is not in them but a
 * piece of the exchange of its own, so that bytes are not copied here. The answer's size, type and
 * tag are checked before anybody reads on. Nothing is cancelled (no Tflush): a caller waits, and a
 * server that is too late loses the session.
 */
#define LOG_SUBSYS "p9"
#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/timer.h>
#include "call.h"

COUNTERS_DEFINE(p9, P9_COUNTERS);

struct p9 {
	struct p9dev *dev;
	uint32_t msize;
	uint64_t wait_ns;
	_Atomic bool failed;
	struct waitq tags;
	struct spinlock lock; /* guards free */
	struct p9_call *free;
	struct p9_call call[P9DEV_DEPTH];
};

uint32_t p9_session_msize(const struct p9 *s)
{
	return s->msize;
}

bool p9_failed(const struct p9 *s)
{
	return atomic_load(&s->failed);
}

static void give_up(struct p9 *s, const char *why)
{
	if (!atomic_exchange(&s->failed, true))
		log_err("%s: %s: no longer used", p9dev_tag(s->dev), why);
	p9dev_stop(s->dev);
}

static struct p9_call *take_free(struct p9 *s)
{
	spin_lock(&s->lock);
	struct p9_call *c = s->free;

	if (c)
		s->free = c->next;
	spin_unlock(&s->lock);
	return c;
}

struct p9_call *p9_call_begin(struct p9 *s, enum p9_type type)
{
	struct p9_call *c = take_free(s);

	if (!c) {
		counter_add(p9, waits_for_tag, 1);
		wait_event(&s->tags, (c = take_free(s)) != NULL);
	}
	c->type = type;
	c->tx = (struct p9_cur){ c->txbuf, c->txbuf + P9_TX_ROOM, false };
	c->out_data = NULL;
	c->in_data = NULL;
	c->out_len = c->in_len = c->in_fixed = 0;
	p9_put32(&c->tx, 0);
	p9_put8(&c->tx, type);
	p9_put16(&c->tx, type == P9_VERSION ? P9_NOTAG : c->tag);
	return c;
}

void p9_call_end(struct p9_call *c)
{
	struct p9 *s = c->s;

	spin_lock(&s->lock);
	c->next = s->free;
	s->free = c;
	spin_unlock(&s->lock);
	waitq_wake_one(&s->tags);
}

static void on_done(struct p9dev_xchg *x, uint32_t got)
{
	struct p9_call *c = x->priv;

	c->got = got;
	atomic_store(&c->done, true);
	waitq_wake_all(&c->wait);
}

static void add_seg(struct p9_call *c, const void *kva, uint32_t len)
{
	unsigned n = c->xchg.out + c->xchg.in;

	c->xchg.seg[n].kva = (void *)kva;
	c->xchg.seg[n].len = len;
}

static void describe(struct p9_call *c)
{
	uint32_t len = (uint32_t)(c->tx.at - c->txbuf);
	le32_t size = le32(len + c->out_len);

	memcpy(c->txbuf, &size, sizeof(size));
	c->xchg = (struct p9dev_xchg){ .done = on_done, .priv = c };
	add_seg(c, c->txbuf, len);
	c->xchg.out++;
	if (c->out_data) {
		add_seg(c, c->out_data, c->out_len);
		c->xchg.out++;
	}
	add_seg(c, c->rxbuf, c->in_data ? P9_HEAD + c->in_fixed : P9_RX_ROOM);
	c->xchg.in++;
	if (c->in_data) {
		add_seg(c, c->in_data, c->in_len);
		c->xchg.in++;
	}
	atomic_store(&c->done, false);
	counter_add(p9, requests, 1);
	counter_add(p9, bytes_out, len + c->out_len);
}

/*
 * An error's answer is 11 bytes long: with in_data it is as long as the fixed part (a count of 4),
 * so it lies in rxbuf whole.
 */
static int read_answer(struct p9_call *c)
{
	uint32_t room = c->in_data ? P9_HEAD + c->in_fixed : P9_RX_ROOM;

	c->rx = (struct p9_cur){ c->rxbuf, c->rxbuf + KMIN(c->got, room), false };
	uint32_t size = p9_get32(&c->rx);
	uint8_t type = p9_get8(&c->rx);
	uint16_t tag = p9_get16(&c->rx);

	counter_add(p9, bytes_in, c->got);
	if (c->rx.bad || size > c->got || size < P9_HEAD ||
	    tag != (c->type == P9_VERSION ? P9_NOTAG : c->tag))
		return -EBADMSG;
	if (size < KMIN(c->got, room))
		c->rx.end = c->rxbuf + size;
	if (type == P9_LERROR + 1) {
		uint32_t e = p9_get32(&c->rx);

		counter_add(p9, errors, 1);
		return c->rx.bad || !e || e > 4095 ? -EBADMSG : -(int)e;
	}
	return type == c->type + 1 ? 0 : -EBADMSG;
}

int p9_call_run(struct p9_call *c)
{
	struct p9 *s = c->s;

	kassert(!c->tx.bad);
	if (p9_failed(s))
		return -EIO;
	describe(c);
	int err = p9dev_submit(s->dev, &c->xchg);

	if (err) {
		give_up(s, "the device takes no more");
		return -EIO;
	}
	err = wait_event_deadline(&c->wait, atomic_load(&c->done), clock_mono_ns() + s->wait_ns);
	if (err) {
		counter_add(p9, timeouts, 1);
		give_up(s, "no answer");
		wait_event(&c->wait, atomic_load(&c->done)); /* the stop ends it at once */
	}
	if (!c->got)
		return -EIO;
	err = read_answer(c);
	if (err != -EBADMSG)
		return err;
	counter_add(p9, bad_answers, 1);
	give_up(s, "an answer that is none");
	return -EIO;
}

int p9_call_check(struct p9_call *c)
{
	if (!c->rx.bad)
		return 0;
	counter_add(p9, bad_answers, 1);
	give_up(c->s, "an answer that is too short");
	return -EIO;
}

static int make_calls(struct p9 *s)
{
	for (unsigned i = 0; i < P9DEV_DEPTH; i++) {
		struct p9_call *c = &s->call[i];

		c->s = s;
		c->tag = (uint16_t)i;
		waitq_init(&c->wait);
		c->txbuf = kmalloc(P9_TX_ROOM);
		c->rxbuf = kmalloc(P9_RX_ROOM);
		if (!c->txbuf || !c->rxbuf)
			return -ENOMEM;
		c->next = s->free;
		s->free = c;
	}
	return 0;
}

void p9_close(struct p9 *s)
{
	p9dev_stop(s->dev); /* so that nothing of the session is the device's any more */
	for (unsigned i = 0; i < P9DEV_DEPTH; i++) {
		kfree(s->call[i].txbuf);
		kfree(s->call[i].rxbuf);
	}
	kfree(s);
}

/* The server may lower msize; less than one page of data each is not worth using. */
static int agree_version(struct p9 *s)
{
	static const char version[] = "9P2000.L";
	struct p9_call *c = p9_call_begin(s, P9_VERSION);
	size_t len;

	p9_put32(&c->tx, s->msize);
	p9_put_str(&c->tx, version, sizeof(version) - 1);
	int err = p9_call_run(c);

	if (!err) {
		uint32_t msize = p9_get32(&c->rx);
		const char *v = p9_get_str(&c->rx, &len);

		err = p9_call_check(c);
		if (!err && (len != sizeof(version) - 1 || memcmp(v, version, len) ||
			     msize > s->msize || msize < P9_RX_ROOM))
			err = -EPROTONOSUPPORT;
		s->msize = msize;
	}
	p9_call_end(c);
	return err;
}

struct p9 *p9_open(struct p9dev *dev, int *err)
{
	struct p9 *s = kzalloc(sizeof(*s));

	*err = -ENOMEM;
	if (!s)
		return NULL;
	s->dev = dev;
	s->msize = P9_IO_MAX + P9_RX_ROOM;
	s->wait_ns = cmdline_u64("store.wait_s", P9_WAIT_S) * NSEC_PER_SEC;
	spin_init(&s->lock, "p9");
	waitq_init(&s->tags);
	*err = make_calls(s);
	if (!*err)
		*err = agree_version(s);
	if (!*err)
		return s;
	p9_close(s);
	return NULL;
}
