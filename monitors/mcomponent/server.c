// SPDX-License-Identifier: GPL-2.0-only
/* Dispatch of MEM, FILE and SOCKMEM messages to the operation tables. */
#define LOG_SUBSYS "mserver"
#include "job.h"
#include "mount.h"
#include "page.h"
#include "path.h"
#include "server.h"

#include <kern/counter.h>
#include <kern/log.h>
#include <proto/file.h>
#include <proto/fit.h>

#define SERVER_COUNTERS(X) X(requests) X(bad_op) X(short_message) X(errors)
COUNTERS_DECLARE(mserver, SERVER_COUNTERS);
COUNTERS_DEFINE(mserver, SERVER_COUNTERS);

static const struct op *const tables[] = { line_ops, many_ops, map_ops, exec_ops, file_ops,
					   list_ops, name_ops, sync_ops, sockmem_ops };
#define OPS_PER_CLASS 32
static const struct op *index_of[PROTO_CLASSES][OPS_PER_CLASS];

static void index_ops(void)
{
	for (unsigned t = 0; t < ARRAY_SIZE(tables); t++) {
		for (const struct op *o = tables[t]; o->fn; o++) {
			const struct op **slot = &index_of[PROTO_OP_CLASS(o->op)][o->op & 0xff];

			kassert((o->op & 0xff) < OPS_PER_CLASS && !*slot);
			*slot = o;
		}
	}
}

/* Files need the name space; everything else goes on while it is put together. */
static int run(struct job *j, int status, struct reply *r)
{
	if (status < 0)
		return status;
	if (PROTO_OP_CLASS(j->op->op) == PROTO_CLASS_FILE && j->op->op != OP_FILE_DROP_CACHES) {
		status = mount_ready();
		if (status)
			return status;
	}
	return job_run_op(j, 0, r);
}

static void answer(struct job *j, int status, struct reply *r)
{
	struct fit_req *req = j->priv;

	if (status < 0)
		counter_add(mserver, errors, 1);
	if (status == -EREMOTE)
		r->body = walk_remote(&r->body_len);
	if (req->oneway)
		fit_req_put(req);
	else
		fit_reply2(req, status, r->head, r->len, r->body, r->body_len);
}

static void handle(struct fit_req *req, void *arg)
{
	unsigned n = req->op & 0xff;
	const struct op *o = n < OPS_PER_CLASS ? index_of[PROTO_OP_CLASS(req->op)][n] : NULL;
	struct job j = { .fn = run, .end = answer, .from = req->from, .op = o, .msg = req->data,
			 .len = req->len, .priv = req };
	struct reply none = { 0 };

	page_set_home(fit_self(req->fit)); /* whoever calls learnt it from the view */
	counter_add(mserver, requests, 1);
	if (!o) {
		counter_add(mserver, bad_op, 1);
		answer(&j, -EOPNOTSUPP, &none);
	} else if (req->len < o->min_len) {
		counter_add(mserver, short_message, 1);
		answer(&j, -EBADMSG, &none);
	} else {
		job_run(&j);
	}
}

int server_start(struct fit *fit)
{
	static const uint8_t classes[] = { PROTO_CLASS_MEM, PROTO_CLASS_FILE, PROTO_CLASS_SOCKMEM };
	int err = 0;

	index_ops();
	for (unsigned i = 0; i < ARRAY_SIZE(classes) && !err; i++)
		err = fit_serve(fit, classes[i], handle, NULL);
	return err;
}
