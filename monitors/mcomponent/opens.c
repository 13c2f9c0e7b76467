// SPDX-License-Identifier: GPL-2.0-only
/* Open counts by (node, inode); one inode reference for each open. */
#include "opens.h"

#include <kern/mm.h>
#include <uthash.h>

struct open_count {
	struct open_key { uint64_t ino; uint64_t node; } key;
	struct inode *inode;
	uint64_t n;
	UT_hash_handle hh;
};
static struct open_count *counts;

static struct open_count *find(fit_node_t node, const struct inode *i)
{
	struct open_key key = { i->ino, node };
	struct open_count *c;

	HASH_FIND(hh, counts, &key, sizeof(key), c);
	return c;
}

int opens_add(fit_node_t node, struct inode *i)
{
	struct open_count *c = find(node, i);

	if (!c) {
		c = kzalloc(sizeof(*c));
		if (!c)
			return -ENOMEM;
		c->key = (struct open_key){ i->ino, node };
		c->inode = i;
		HASH_ADD(hh, counts, key, sizeof(c->key), c);
	}
	c->n++;
	inode_get(i);
	return 0;
}

static void drop(struct open_count *c, uint64_t n)
{
	struct inode *i = c->inode;

	c->n -= n;
	if (!c->n) {
		HASH_DEL(counts, c);
		kfree(c);
	}
	while (n--)
		inode_put(i);
}

int opens_drop(fit_node_t node, struct inode *i)
{
	struct open_count *c = find(node, i);

	if (!c)
		return -EBADF;
	drop(c, 1);
	return 0;
}

void opens_drop_node(fit_node_t node)
{
	struct open_count *c, *next;

	HASH_ITER(hh, counts, c, next)
		if (c->key.node == node)
			drop(c, c->n);
}
