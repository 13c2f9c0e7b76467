// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bounce buffers. An adapter reaches registered memory only, and a process's heap comes and goes,
 * so a message in memory of any kind (RDMA_LKEY_ANY) is copied through a buffer that stays
 * registered with its protection domain. Buffers are carved from chunks that live as long as the
 * domain; a message larger than the large class has a chunk to itself that ends with it. Cost: one
 * copy a message, and a registration, which enters the kernel, while the pool still grows.
 */
#include "ibverbs.h"

struct bounce_chunk {
	SLIST_ENTRY(bounce_chunk) link;
	struct ibv_mr *mr;
	uint8_t *mem;
	bool single;
	enum bounce_class class;
	struct bounce buf[];
};

static const uint32_t class_size[BOUNCE_CLASSES] = {
	[BOUNCE_SMALL] = IBV_BOUNCE_SMALL, [BOUNCE_LARGE] = IBV_BOUNCE_LARGE,
};

/* n buffers of size bytes. */
static struct bounce_chunk *chunk_create(struct rdma_pd *pd, uint32_t size, uint32_t n)
{
	struct bounce_chunk *c = kzalloc(sizeof(*c) + n * sizeof(c->buf[0]));

	if (!c)
		return NULL;
	c->mem = kmalloc((size_t)size * n);
	if (!c->mem)
		goto out_free;
	c->mr = ibv_reg_mr(pd->pd, c->mem, (size_t)size * n, IBV_ACCESS_LOCAL_WRITE);
	if (!c->mr)
		goto out_mem;
	for (uint32_t i = 0; i < n; i++)
		c->buf[i] = (struct bounce){ .chunk = c, .mem = c->mem + (size_t)i * size,
			.lkey = c->mr->lkey };
	iv_count(bounce_chunks);
	return c;
out_mem:
	kfree(c->mem);
out_free:
	kfree(c);
	return NULL;
}

static void chunk_destroy(struct bounce_chunk *c)
{
	ibv_dereg_mr(c->mr);
	kfree(c->mem);
	kfree(c);
}

static struct bounce *take(struct rdma_pd *pd, enum bounce_class class)
{
	struct bounce *b;

	spin_lock(&pd->lock);
	b = SLIST_FIRST(&pd->free[class]);
	if (b)
		SLIST_REMOVE_HEAD(&pd->free[class], link);
	spin_unlock(&pd->lock);
	return b;
}

static bool grow(struct rdma_pd *pd, enum bounce_class class)
{
	uint32_t n = IBV_BOUNCE_CHUNK / class_size[class];
	struct bounce_chunk *c = chunk_create(pd, class_size[class], n);

	if (!c)
		return false;
	c->class = class;
	spin_lock(&pd->lock);
	SLIST_INSERT_HEAD(&pd->chunks, c, link);
	for (uint32_t i = 0; i < n; i++)
		SLIST_INSERT_HEAD(&pd->free[class], &c->buf[i], link);
	spin_unlock(&pd->lock);
	return true;
}

struct bounce *bounce_get(struct rdma_pd *pd, uint32_t len)
{
	enum bounce_class class = len <= IBV_BOUNCE_SMALL ? BOUNCE_SMALL : BOUNCE_LARGE;
	struct bounce *b = NULL;

	if (len > IBV_BOUNCE_LARGE) {
		struct bounce_chunk *c = chunk_create(pd, len, 1);

		if (c)
			c->single = true;
		b = c ? &c->buf[0] : NULL;
	} else {
		while (!(b = take(pd, class)) && grow(pd, class))
			;
	}
	if (!b)
		iv_count(no_memory);
	return b;
}

void bounce_put(struct rdma_pd *pd, struct bounce *b)
{
	if (!b)
		return;
	if (b->chunk->single) {
		chunk_destroy(b->chunk);
		return;
	}
	spin_lock(&pd->lock);
	SLIST_INSERT_HEAD(&pd->free[b->chunk->class], b, link);
	spin_unlock(&pd->lock);
}

void bounce_fini(struct rdma_pd *pd)
{
	struct bounce_chunk *c;

	while ((c = SLIST_FIRST(&pd->chunks))) {
		SLIST_REMOVE_HEAD(&pd->chunks, link);
		chunk_destroy(c);
	}
}
