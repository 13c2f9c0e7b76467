// SPDX-License-Identifier: GPL-2.0-only
#include "ops.h"

#include <kern/log.h>
#include <kern/string.h>
#include "inode.h"
#include "job.h"
#include "mount.h"
#include "page.h"
#include "space.h"

uint8_t reply_bytes[2 * FIT_MSG_MAX];
size_t reply_len;
const struct op *op_more;

static const struct op *find(uint16_t op)
{
	const struct op *tables[] = { map_ops, line_ops, many_ops, exec_ops, file_ops, list_ops,
		name_ops, sync_ops };

	for (unsigned t = 0; t < ARRAY_SIZE(tables); t++)
		for (const struct op *o = tables[t]; o->fn; o++)
			if (o->op == op)
				return o;
	for (const struct op *o = op_more; o && o->fn; o++)
		if (o->op == op)
			return o;
	panic("no op %x", op);
}

static void end(struct job *j, int status, struct reply *r)
{
	struct ended *e = j->priv;

	e->yes = true;
	e->status = status;
	if (r->len)
		memcpy(reply_bytes, r->head, r->len);
	if (r->body)
		memcpy(reply_bytes + r->len, r->body, r->body_len);
	reply_len = r->len + r->body_len;
}

size_t op_min_len(uint16_t op)
{
	return find(op)->min_len;
}

static bool all_in_memory; /* else files wait for the name space, as in server.c */

static int run(struct job *j, int status, struct reply *r)
{
	if (status < 0)
		return status;
	if (!all_in_memory && PROTO_OP_CLASS(j->op->op) == PROTO_CLASS_FILE)
		status = mount_ready();
	return status ? status : job_run_op(j, 0, r);
}

void op_begin(uint16_t from, uint16_t op, const void *msg, size_t len, struct ended *e)
{
	struct job j = { .fn = run, .end = end, .from = from, .op = find(op), .msg = msg,
			 .len = len, .priv = e };

	e->yes = false;
	kassert(len >= j.op->min_len);
	job_run(&j);
}

int op_call(uint16_t from, uint16_t op, const void *msg, size_t len)
{
	struct ended e;

	op_begin(from, op, msg, len, &e);
	while (!e.yes)
		kassert(op_wait && op_wait());
	return e.status;
}

bool (*op_wait)(void);

void ops_setup(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	page_set_home(7);
	kassert(!page_init() && !vma_init() && !space_init() && !inode_init() && !job_init());
	all_in_memory = !op_wait;
	if (all_in_memory)
		kassert(!mount_memory_root());
}
