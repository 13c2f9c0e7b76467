// SPDX-License-Identifier: GPL-2.0-only
/*
 * Message buffers: each holds one whole message, received or to be sent. A free list in front of
 * the allocator, so that the common path neither allocates nor clears memory. The last
 * FIT_POOL_RESERVE free ones are for PROTO_CLASS_MEM, whose write-backs free memory and must not
 * need any. Any thread.
 */
#define LOG_SUBSYS "fit"
#include <kern/log.h>
#include <kern/string.h>

#include "rpc.h"

int fit_pool_init(struct fit_pool *pool)
{
	spin_init(&pool->lock, "fit_pool");
	TAILQ_INIT(&pool->free);
	pool->cache = kmem_cache_create("fit_buf", sizeof(struct fit_buf), CACHE_LINE);
	if (!pool->cache)
		return -ENOMEM;
	for (; pool->nfree < FIT_POOL_RESERVE; pool->nfree++) {
		struct fit_buf *b = kmem_cache_alloc(pool->cache);

		if (!b)
			return -ENOMEM;
		TAILQ_INSERT_HEAD(&pool->free, b, link);
	}
	return 0;
}

void fit_pool_destroy(struct fit_pool *pool)
{
	struct fit_buf *b;

	while ((b = TAILQ_FIRST(&pool->free))) {
		TAILQ_REMOVE(&pool->free, b, link);
		kmem_cache_free(pool->cache, b);
	}
	pool->nfree = 0;
}

static struct fit_buf *pool_take(struct fit_pool *pool, unsigned leave)
{
	struct fit_buf *b = NULL;

	spin_lock(&pool->lock);
	if (pool->nfree > leave) {
		b = TAILQ_FIRST(&pool->free);
		TAILQ_REMOVE(&pool->free, b, link);
		pool->nfree--;
	}
	spin_unlock(&pool->lock);
	return b;
}

struct fit_buf *fit_buf_get(struct fit *f, uint8_t class)
{
	struct fit_buf *b = pool_take(&f->pool, FIT_POOL_RESERVE);

	if (!b)
		b = kmem_cache_alloc(f->pool.cache);
	if (!b && class == PROTO_CLASS_MEM)
		b = pool_take(&f->pool, 0);
	if (!b) {
		counter_add(fit, no_memory, 1);
		return NULL;
	}
	atomic_store(&b->refs, 1);
	atomic_store(&b->answered, false);
	b->call = NULL;
	b->peer = NULL;
	b->deferred = b->credit_held = false;
	b->len = 0;
	return b;
}

void fit_buf_put(struct fit *f, struct fit_buf *b)
{
	struct fit_pool *pool = &f->pool;

	if (atomic_fetch_sub(&b->refs, 1) != 1)
		return;
	if (b->peer)
		fit_peer_put(b->peer);
	b->peer = NULL;
	spin_lock(&pool->lock);
	if (pool->nfree < FIT_POOL_KEEP) {
		TAILQ_INSERT_HEAD(&pool->free, b, link);
		pool->nfree++;
		b = NULL;
	}
	spin_unlock(&pool->lock);
	if (b)
		kmem_cache_free(pool->cache, b);
}

void fit_buf_fill(struct fit_buf *b, uint8_t type, uint16_t op, uint64_t id, int status,
		  const void *head, size_t head_len, const void *body, size_t body_len)
{
	size_t len = head_len + body_len;

	kassert(len <= FIT_MSG_MAX);
	if (body_len) /* first: it may lie in this buffer where the head goes */
		memmove(b->body + head_len, body, body_len);
	if (head_len)
		memmove(b->body, head, head_len);
	b->hdr = (struct fit_hdr){ .type = type, .op = le16(op), .len = le32((uint32_t)len),
		.id = le64(id), .status = le32((uint32_t)-status) };
	b->len = (uint32_t)(sizeof(b->hdr) + len);
}
