// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data by way of an mComponent. Sending: the bytes are written to socket memory there, and the
 * descriptor goes to the skeleton. Room for it was taken together with the room for the bytes.
 *
 * late   from the completion of the write, so it never names bytes that are not there; completions
 *        come in the order of the writes, so do these descriptors
 * early  together with the write: half of a small record's time. The descriptor has a sum of the
 *        bytes at a random place (<mon/early.h>), and whoever reads them compares
 *
 * The races of an early one, and what ends them:
 *   - the reader is there before the bytes, or half of them: the sum differs, it reads again. What
 *     it found it neither keeps nor gives to anybody. (Old bytes that are the same are the record.)
 *   - order: an early descriptor goes only when those of all bytes before it are posted, else late.
 *     Records arrive in the order in which they are posted, which is done under tx_lock.
 *   - room is used again when the reader has said that it is done, which may be before the write's
 *     own completion. FIT carries out transfers of one message each in the order of the calls, also
 *     when it repeats them, so what comes to the same place later stays on top: a late record's
 *     write has completed after the one before it, an early one's is known by its sum.
 *   - the write fails: the skeleton is told to reset, as the stub's error does not reach it before
 *     close(); the reader's patience is bounded in any case.
 *   - the skeleton is done with the bytes before the completion of its record: credit is counted
 *     from what was posted; the buffer stays until both writes have ended.
 *
 * Receiving: a descriptor names bytes on the mComponent; they are read into a buffer here, when it
 * arrives (net.dma.prefetch=on) or when somebody reads. An early one's reader waits until they are
 * the right ones, a failed read (a board died), the end of the leg or of whoever wants them, or
 * early_patience_ns, whatever is first; all but the first end the connection.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <mon/early.h>

#include "net/stub.h"

/* ---- sending: late ---- */

static struct sock_desc desc_of(const struct tx_buf *b)
{
	return (struct sock_desc){ .node = le16(b->leg->sm->node), .off = le64(b->x.off),
		.len = le64(b->len) };
}

static void bytes_written(struct fit_xfer *x, int status)
{
	struct tx_buf *b = x->priv;
	struct leg *l = b->leg;
	struct sock_desc d = desc_of(b);

	if (status || l->gone) {
		counter_add(stub_dma, failed, 1);
		tx_finished(b, status ? status : -ECONNRESET);
		return;
	}
	if (l->both) {
		b->cost_ns = 2 * way_step(l->sm, WAY_DMA, b->step_ns);
		b->step_ns = clock_mono_ns();
	}
	memcpy(b->data, &d, sizeof(d));
	counter_add(stub_dma, descriptors, 1);
	spin_lock(&l->tx_lock); /* who finds it posted posts behind it */
	atomic_fetch_add(&l->tx_posted, b->len);
	tx_write(b, b->rec_off, sizeof(d));
	spin_unlock(&l->tx_lock);
	if (l->both)
		tx_flush(l); /* what was to follow it straight to the nComponent */
}

/* ---- sending: early ---- */

/* The descriptor's transfer beside that of the bytes. Both end in the loop. */
struct tx_early {
	struct fit_xfer x;
	unsigned left;              /* of the two */
	int status;
	uint64_t bytes_ns, rec_ns;  /* auto: what they have cost */
	struct {
		struct sock_record rec;
		struct sock_desc desc;
		struct sock_early sum;
	} __packed record;
};

void dma_tx_free(struct tx_buf *b)
{
	kfree(b->early);
}

/* The skeleton waits for bytes that do not come. */
static void reset_skeleton(struct leg *l)
{
	struct sock_end m = { .skel = l->skel, .flags = le32(SOCK_CLOSE_RESET) };

	if (!l->gone && fit_send(net.fit, l->peer->node, OP_SOCK_CLOSE, &m, sizeof(m)))
		counter_add(stub, tx_failed, 1);
}

static void part_ended(struct tx_buf *b, int status)
{
	struct tx_early *e = b->early;
	struct leg *l = b->leg;

	if (status)
		e->status = status;
	if (--e->left)
		return;
	if (l->both && !e->status) /* the nComponent's read costs what the write did */
		way_measured(l->sm, WAY_DMA, b->len,
			     e->bytes_ns + KMAX(e->bytes_ns, e->rec_ns));
	tx_finished(b, e->status);
}

static void early_bytes_written(struct fit_xfer *x, int status)
{
	struct tx_buf *b = x->priv;

	if (status) {
		counter_add(stub_dma, failed, 1);
		reset_skeleton(b->leg);
	} else if (b->leg->both) {
		b->early->bytes_ns = way_step(b->leg->sm, WAY_DMA, b->step_ns);
	}
	part_ended(b, status);
}

static void early_record_written(struct fit_xfer *x, int status)
{
	struct tx_buf *b = x->priv;

	if (b->leg->both && !status)
		b->early->rec_ns = way_step(b->leg->sm, WAY_DDIO, b->step_ns);
	part_ended(b, status);
}

/* NULL: it goes late. */
static struct tx_early *early_create(struct tx_buf *b)
{
	struct tx_early *e = kmalloc(sizeof(*e));
	uint64_t seed = early_seed();

	if (!e)
		return NULL;
	e->left = 2;
	e->status = 0;
	e->record.rec = b->rec;
	e->record.rec.flags = le16(le16_get(b->rec.flags) | SOCK_REC_EARLY);
	e->record.desc = desc_of(b);
	e->record.sum = (struct sock_early){ le64(seed), le64(early_sum(seed, b->data, b->len)) };
	e->x.lazy = false;
	e->x.done = early_record_written;
	e->x.priv = b;
	return e;
}

static void post_early_record(struct tx_buf *b)
{
	struct leg *l = b->leg;

	counter_add(stub_dma, descriptors, 1);
	counter_add(stub_dma, early, 1);
	atomic_fetch_add(&l->tx_posted, b->len);
	tx_write_record(l, &b->early->x, b->rec_off, &b->early->record, sizeof(b->early->record));
}

/* ---- sending: both ---- */

#define DESC_MAX (sizeof(struct sock_desc) + sizeof(struct sock_early))

static uint32_t take_room(struct sockmem *sm, struct leg *l, uint32_t n, bool whole, uint32_t *off)
{
	if (!whole)
		return sockpool_take(&sm->tx_pool, &l->dma_share, n, off);
	return sockpool_take_exact(&sm->tx_pool, &l->dma_share, n, n, off) ? n : 0;
}

uint32_t dma_tx_take(struct leg *l, uint32_t n, bool whole, uint32_t *off, uint32_t *rec_off)
{
	struct net_peer *p = l->peer;
	struct sockmem *sm = l->sm;

	spin_lock(&p->pool_lock);
	if (!p->tx_pool.free_chunks) { /* a free one holds any descriptor */
		sockpool_wait(&p->tx_pool, &l->share);
		spin_unlock(&p->pool_lock);
		return 0;
	}
	spin_lock(&sm->lock);
	n = take_room(sm, l, n, whole, off);
	if (!n)
		sockpool_wait(&sm->tx_pool, &l->dma_share);
	spin_unlock(&sm->lock);
	if (n)
		kassert(sockpool_take_exact(&p->tx_pool, &l->share, DESC_MAX, n, rec_off));
	spin_unlock(&p->pool_lock);
	return n;
}

void dma_tx_start(struct tx_buf *b, uint32_t off, bool early)
{
	struct fit_xfer *x = &b->x;
	struct leg *l = b->leg;

	b->rec.flags = le16(le16_get(b->rec.flags) | SOCK_REC_DESC);
	x->node = l->sm->node;
	x->mr = l->sm->tx;
	x->off = off;
	x->frag[0].addr = b->data;
	x->frag[0].len = b->len;
	x->nfrags = 1;
	x->has_imm = x->lazy = false;
	x->priv = b;
	if (early && net.dma_early && b->len <= SOCK_EARLY_MAX)
		b->early = early_create(b);
	x->done = b->early ? early_bytes_written : bytes_written;
	counter_add(stub_dma, writes, 1);
	counter_add(stub_dma, write_bytes, b->len);
	if (b->early) /* first: its way, with the read that it leads to, is the longer one */
		post_early_record(b);
	fit_write(net.fit, x);
}

/* ---- receiving ---- */

struct dma_rx {
	struct fit_xfer x;
	_Atomic uint32_t refs;    /* queue, transfer or the pause before the next one */
	_Atomic bool started;
	bool early;               /* the bytes are known by sum, and may not be there yet */
	int status;
	struct completion done;
	struct leg *leg;          /* reference */
	struct early_wait wait;   /* early */
	uint64_t seed, sum, since_ns; /* since_ns: other bytes were found; 0: never */
	uint32_t len;
	uint8_t data[];
};

static void put(struct dma_rx *d)
{
	if (atomic_fetch_sub(&d->refs, 1) != 1)
		return;
	leg_put(d->leg);
	kfree(d);
}

void dma_rx_put(struct dma_rx *d)
{
	if (d->early && timer_cancel(&d->wait.timer))
		put(d);
	put(d);
}

static void pause_over(struct loop_call *c);

struct dma_rx *dma_rx_create(struct leg *l, uint64_t off, uint32_t len,
			     const struct sock_early *early)
{
	struct dma_rx *d = kmalloc(sizeof(*d) + len);

	if (!d)
		return NULL;
	d->refs = 1;
	d->started = false;
	d->status = 0;
	completion_init(&d->done);
	d->leg = leg_get(l);
	d->len = len;
	d->x.off = off;
	d->early = early;
	if (!early)
		return d;
	d->seed = le64_get(early->seed);
	d->sum = le64_get(early->sum);
	d->since_ns = 0;
	early_wait_init(&d->wait, net.loop, pause_over);
	return d;
}

/* The bytes are there, or will never be. */
static void read_over(struct dma_rx *d, int status)
{
	struct stub *s = leg_stub(d->leg);

	d->status = status;
	complete(&d->done);
	if (status)
		counter_add(stub_dma, failed, 1);
	if (s && status)
		stub_fail(s, ECONNRESET, 0);
	if (s && net.dma_prefetch)
		rx_advance(s);
	if (s)
		stub_put(s);
	put(d);
}

static void post_read(struct dma_rx *d)
{
	counter_add(stub_dma, reads, 1);
	counter_add(stub_dma, read_bytes, d->len);
	fit_read(net.fit, &d->x);
}

static void read_unless_in_vain(struct dma_rx *d)
{
	if (d->refs == 1) /* nobody wants the bytes any more */
		read_over(d, 0);
	else if (d->leg->gone) /* nobody will write them */
		read_over(d, -ECONNRESET);
	else
		post_read(d);
}

static void pause_over(struct loop_call *c)
{
	read_unless_in_vain(container_of(c, struct dma_rx, wait.call));
}

static void read_again(struct dma_rx *d)
{
	uint64_t now = clock_mono_ns(), pause;

	counter_add(stub_dma, early_again, 1);
	if (!d->since_ns)
		d->since_ns = now;
	pause = early_pause(d->since_ns, now);
	if (pause == EARLY_NEVER) {
		counter_add(stub_dma, early_lost, 1);
		reset_skeleton(d->leg);
		read_over(d, -ECONNRESET);
	} else if (pause) {
		early_wait_until(&d->wait, now + pause);
	} else {
		read_unless_in_vain(d);
	}
}

static void bytes_read(struct fit_xfer *x, int status)
{
	struct dma_rx *d = x->priv;

	if (!status && d->early && early_sum(d->seed, d->data, d->len) != d->sum)
		read_again(d);
	else
		read_over(d, status);
}

void dma_rx_start(struct dma_rx *d)
{
	struct fit_xfer *x = &d->x;

	if (atomic_exchange(&d->started, true))
		return;
	atomic_fetch_add(&d->refs, 1);
	x->node = d->leg->sm->node;
	x->mr = d->leg->sm->rx;
	x->frag[0].addr = d->data;
	x->frag[0].len = d->len;
	x->nfrags = 1;
	x->has_imm = x->lazy = false;
	x->done = bytes_read;
	x->priv = d;
	post_read(d);
}

bool dma_rx_ready(const struct dma_rx *d, bool or_lost)
{
	return !net.dma_prefetch || (d->done.done && (or_lost || !d->status));
}

const uint8_t *dma_rx_wait(struct dma_rx *d)
{
	if (!d->done.done) {
		counter_add(stub_dma, read_waits, 1);
		dma_rx_start(d);
		(void)completion_wait(&d->done, 0);
	}
	return d->status ? NULL : d->data;
}
