// SPDX-License-Identifier: GPL-2.0-only
/* How calls to sComponents leave: by FIT. The unit tests have another way. */
#include "store.h"

static struct fit *fit;

static void port_call(struct fit_call *c)
{
	fit_call_start(fit, c);
}

static void port_send(fit_node_t node, uint16_t op, const void *msg, size_t len)
{
	(void)!fit_send(fit, node, op, msg, len); /* a node that is gone has forgotten already */
}

static struct fit_mr *port_lend(fit_node_t node, void *addr, size_t len, struct proto_mr *out)
{
	struct fit_mr *mr = fit_mr_reg(fit, node, addr, len, RDMA_REMOTE_READ | RDMA_REMOTE_WRITE);

	if (mr)
		fit_mr_wire(mr, out);
	return mr;
}

static void port_unlend(struct fit_mr *mr)
{
	fit_mr_dereg(fit, mr);
}

static void port_write(struct fit_xfer *x)
{
	fit_write(fit, x);
}

void store_init(struct fit *f)
{
	fit = f;
	store_port = (struct store_port){ port_call, port_send, port_lend, port_unlend,
		port_write };
}
