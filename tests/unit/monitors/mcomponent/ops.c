// SPDX-License-Identifier: GPL-2.0-only
#include "ops.h"

#include <kern/log.h>
#include <kern/string.h>
#include "inode.h"
#include "page.h"
#include "space.h"

uint8_t reply_bytes[2 * FIT_MSG_MAX];
size_t reply_len;

static const struct op *find(uint16_t op)
{
	const struct op *tables[] = { map_ops, line_ops, exec_ops, file_ops, name_ops };

	for (unsigned t = 0; t < ARRAY_SIZE(tables); t++)
		for (const struct op *o = tables[t]; o->fn; o++)
			if (o->op == op)
				return o;
	panic("no op %x", op);
}

int op_call(uint16_t from, uint16_t op, const void *msg, size_t len)
{
	static uint8_t head[FIT_MSG_MAX];
	struct reply r = { .head = head };
	const struct op *o = find(op);
	int status;

	kassert(len >= o->min_len);
	status = o->fn(from, msg, len, &r);
	memcpy(reply_bytes, head, r.len);
	if (r.body)
		memcpy(reply_bytes + r.len, r.body, r.body_len);
	reply_len = r.len + r.body_len;
	return status;
}

void ops_setup(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	page_set_home(7);
	kassert(!page_init() && !vma_init() && !inode_init());
}
