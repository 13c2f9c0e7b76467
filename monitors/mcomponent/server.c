// SPDX-License-Identifier: GPL-2.0-only
/* Dispatch of MEM, FILE and SOCKMEM messages to the operation tables. */
#define LOG_SUBSYS "mserver"
#include "path.h"
#include "server.h"
#include "page.h"

#include <kern/counter.h>
#include <kern/log.h>
#include <proto/fit.h>

#define SERVER_COUNTERS(X) X(requests) X(bad_op) X(short_message) X(errors)
COUNTERS_DECLARE(mserver, SERVER_COUNTERS);
COUNTERS_DEFINE(mserver, SERVER_COUNTERS);

static const struct op *const tables[] = { line_ops, map_ops, exec_ops, file_ops, name_ops,
					   sockmem_ops };
#define OPS_PER_CLASS 32
static const struct op *index_of[PROTO_CLASSES][OPS_PER_CLASS];
static uint8_t head[FIT_MSG_MAX];

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

static int run(struct fit_req *req, struct reply *r)
{
	unsigned n = req->op & 0xff;
	const struct op *o = n < OPS_PER_CLASS ? index_of[PROTO_OP_CLASS(req->op)][n] : NULL;

	page_set_home(fit_self(req->fit)); /* whoever calls learnt it from the view */
	counter_add(mserver, requests, 1);
	if (!o) {
		counter_add(mserver, bad_op, 1);
		return -EOPNOTSUPP;
	}
	if (req->len < o->min_len) {
		counter_add(mserver, short_message, 1);
		return -EBADMSG;
	}
	return o->fn(req->from, req->data, req->len, r);
}

static void handle(struct fit_req *req, void *arg)
{
	struct reply r = { .head = head };
	int status = run(req, &r);

	if (status < 0) {
		counter_add(mserver, errors, 1);
		r = (struct reply){ .head = head };
	}
	if (status == -EREMOTE)
		r.body = walk_remote(&r.body_len);
	if (req->oneway)
		fit_req_put(req);
	else
		fit_reply2(req, status, r.head, r.len, r.body, r.body_len);
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
