// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket memory for the dma configuration: for each pair of pComponent and nComponent two pools,
 * one a direction, each registered once for either peer (protection domains are per peer). This
 * monitor never looks into them.
 */
#include "sockmem.h"

#include <kern/mm.h>
#include <kern/string.h>
#include <proto/sockmem.h>
#include <sys/queue.h>
#include "held.h"

#define POOL_BYTES_MAX (8ULL << 20) /* one page_alloc run */

struct pool {
	void *mem;
	struct fit_mr *for_p, *for_n;
};
struct pair {
	fit_node_t p, n;
	size_t bytes;
	struct pool tx, rx;
	LIST_ENTRY(pair) link;
};
static LIST_HEAD(, pair) pairs = LIST_HEAD_INITIALIZER(pairs);
static struct fit *fit;

void sockmem_init(struct fit *f)
{
	fit = f;
}

void sockmem_write(struct fit_xfer *x)
{
	fit_write(fit, x);
}

static struct pair *find(fit_node_t p, fit_node_t n)
{
	struct pair *pair;

	LIST_FOREACH(pair, &pairs, link)
		if (pair->p == p && pair->n == n)
			return pair;
	return NULL;
}

static unsigned order_of(size_t bytes)
{
	unsigned order = 0;

	while ((PAGE_SIZE << order) < bytes)
		order++;
	return order;
}

static void pool_free(struct pool *pool, size_t bytes)
{
	if (pool->for_p)
		fit_mr_dereg(fit, pool->for_p);
	if (pool->for_n)
		fit_mr_dereg(fit, pool->for_n);
	if (pool->mem)
		page_free(pool->mem, order_of(bytes));
}

static void pair_free(struct pair *pair)
{
	LIST_REMOVE(pair, link);
	pool_free(&pair->tx, pair->bytes);
	pool_free(&pair->rx, pair->bytes);
	kfree(pair);
}

static bool pool_create(struct pool *pool, struct pair *pair, unsigned p_access, unsigned n_access)
{
	pool->mem = page_alloc_zeroed(order_of(pair->bytes));
	if (!pool->mem)
		return false;
	pool->for_p = fit_mr_reg(fit, pair->p, pool->mem, pair->bytes, p_access);
	pool->for_n = fit_mr_reg(fit, pair->n, pool->mem, pair->bytes, n_access);
	return pool->for_p && pool->for_n;
}

static int op_create(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct sockmem_create *m = msg;
	fit_node_t n = le16_get(m->ncomponent);
	uint64_t bytes = le64_get(m->bytes);
	struct pair *pair = find(from, n);
	struct sockmem_pools out;

	if (!pair) {
		if (!bytes || bytes > POOL_BYTES_MAX || bytes % PAGE_SIZE || n >= FIT_NODES_MAX)
			return -EINVAL;
		pair = kzalloc(sizeof(*pair));
		if (!pair)
			return -ENOMEM;
		*pair = (struct pair){ .p = from, .n = n, .bytes = bytes };
		LIST_INSERT_HEAD(&pairs, pair, link);
		if (!pool_create(&pair->tx, pair, RDMA_REMOTE_WRITE, RDMA_REMOTE_READ) ||
		    !pool_create(&pair->rx, pair, RDMA_REMOTE_READ, RDMA_REMOTE_WRITE)) {
			pair_free(pair);
			return -ENOMEM;
		}
	}
	fit_mr_wire(pair->tx.for_p, &out.tx);
	fit_mr_wire(pair->rx.for_p, &out.rx);
	REPLY(r, out);
	return 0;
}

static int op_attach(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct sockmem_attach *m = msg;
	struct pair *pair = find(le16_get(m->pcomponent), from);
	struct sockmem_pools out;

	if (!pair)
		return -ENOENT;
	fit_mr_wire(pair->tx.for_n, &out.tx);
	fit_mr_wire(pair->rx.for_n, &out.rx);
	REPLY(r, out);
	return 0;
}

void sockmem_drop_node(fit_node_t node)
{
	struct pair *pair, *next;

	held_drop_node(node);
	for (pair = LIST_FIRST(&pairs); pair; pair = next) {
		next = LIST_NEXT(pair, link);
		if (pair->p == node || pair->n == node)
			pair_free(pair);
	}
}

const struct op sockmem_ops[] = {
	{ OP_SOCKMEM_CREATE, sizeof(struct sockmem_create), op_create, "sockmem-create" },
	{ OP_SOCKMEM_HOLD, sizeof(struct sockmem_hold), held_hold, "sockmem-hold" },
	{ OP_SOCKMEM_FETCH, sizeof(struct sockmem_fetch), held_fetch, "sockmem-fetch" },
	{ OP_SOCKMEM_RELEASE, sizeof(struct sockmem_release), held_release, "sockmem-release" },
	{ OP_SOCKMEM_ATTACH, sizeof(struct sockmem_attach), op_attach, "sockmem-attach" },
	{ 0, 0, NULL, NULL },
};
