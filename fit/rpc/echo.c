// SPDX-License-Identifier: GPL-2.0-only
/*
 * PROTO_CLASS_TEST, served by every board: echo, and a scratch region for one-sided tests. The
 * region is one for all peers (its content is nobody's), with a key for each peer that asks.
 */
#define LOG_SUBSYS "fit"
#include <kern/log.h>
#include <kern/mm.h>

#include "rpc.h"

#define TEST_REGION_ORDER 10 /* 4 MiB */

static int region_get(struct fit *f, struct fit_peer *p, struct proto_mr *out)
{
	if (!f->test_region)
		f->test_region = page_alloc_zeroed(TEST_REGION_ORDER);
	if (!f->test_region)
		return -ENOMEM;
	if (!p->test_mr)
		p->test_mr = fit_mr_reg(f, atomic_load(&p->node), f->test_region,
					PAGE_SIZE << TEST_REGION_ORDER,
					RDMA_LOCAL_WRITE | RDMA_REMOTE_READ | RDMA_REMOTE_WRITE);
	if (!p->test_mr)
		return -ENOMEM;
	fit_mr_wire(p->test_mr, out);
	return 0;
}

static void test_handler(struct fit_req *req, void *arg)
{
	struct fit_peer *p = container_of(req, struct fit_buf, req)->peer;
	struct proto_mr mr;
	int err;

	if (req->oneway) {
		fit_req_put(req);
		return;
	}
	switch (req->op) {
	case OP_TEST_ECHO:
		fit_reply(req, 0, req->data, req->len);
		break;
	case OP_TEST_REGION:
		err = req->len ? -EINVAL : region_get(req->fit, p, &mr);
		fit_reply(req, err, &mr, err ? 0 : sizeof(mr));
		break;
	default:
		fit_reply(req, -ENOSYS, NULL, 0);
	}
}

void fit_echo_init(struct fit *f)
{
	int err = fit_serve(f, PROTO_CLASS_TEST, test_handler, NULL);

	kassert(!err);
}

void fit_echo_destroy(struct fit *f)
{
	if (f->test_region)
		page_free(f->test_region, TEST_REGION_ORDER);
	f->test_region = NULL;
}
