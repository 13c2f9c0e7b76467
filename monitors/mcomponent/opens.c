// SPDX-License-Identifier: GPL-2.0-only
/*
 * Open counts by (node, inode); one inode reference for each open. With the last one a file of a
 * store is written back; one without names is forgotten. Write errors are kept for each node.
 */
#include "opens.h"

#include <kern/mm.h>
#include <uthash.h>
#include "wb.h"

struct open_count {
	struct open_key { uint64_t ino; uint64_t node; } key;
	struct inode *inode;
	uint64_t n;
	int err;
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
	bool last;

	c->n -= n;
	last = !c->n;
	if (last) {
		HASH_DEL(counts, c);
		kfree(c);
	}
	if (last && !i->nlink)
		wb_forget_unlinked(i);
	else if (last)
		wb_flush(i);
	while (n--)
		inode_put(i);
}

bool opens_any(struct inode *i)
{
	for (fit_node_t node = 0; node < FIT_NODES_MAX; node++)
		if (find(node, i))
			return true;
	return false;
}

void opens_error(struct inode *i, int err)
{
	for (fit_node_t node = 0; node < FIT_NODES_MAX; node++) {
		struct open_count *c = find(node, i);

		if (c)
			c->err = err;
	}
}

int opens_take_error(fit_node_t node, struct inode *i)
{
	struct open_count *c = find(node, i);
	int err = c ? c->err : 0;

	if (c)
		c->err = 0;
	return err;
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
