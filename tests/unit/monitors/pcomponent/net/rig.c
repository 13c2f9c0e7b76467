// SPDX-License-Identifier: GPL-2.0-only
/* See rig.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <kern/mm.h>
#include <linux.h>
#include <proto/gpm.h>

#include "rig.h"

const struct stub_owner owner = { DATA_DDIO, NODE_M, 0, false };
static uint64_t objects, pages;

int rig_up(void **state)
{
	const struct net_config cfg = { .pool_bytes = NET_POOL_DEFAULT,
					.sockmem_bytes = FAKE_POOL,
					.dma_prefetch = true,
					.dma_pack = true,
					.gather_max = NET_GATHER_DEFAULT,
					.data_mode = DATA_DDIO };

	assert_int_equal(net_core_init(&cfg), 0);
	return 0;
}

int rig_begin(void **state)
{
	fake_reset();
	gnm_forget();
	objects = linux_kmalloc_live();
	pages = linux_pages_live();
	return 0;
}

int rig_end(void **state)
{
	fake_complete_all();
	net_node_gone(NODE_N);
	net_node_gone(NODE_N2);
	assert_int_equal(linux_pages_live(), pages);
	assert_int_equal(linux_kmalloc_live(), objects);
	fake_free();
	return 0;
}

struct stub *make(void)
{
	struct stub *s = stub_create(1, 6, &owner);

	assert_non_null(s);
	return s;
}

struct stub *listener(struct sock_handle *h)
{
	struct stub *s = make();

	assert_int_equal(stub_bind(s, 0x0a000001, 80), 0);
	*h = fake.last_stub;
	assert_int_equal(stub_listen(s, 3), 0);
	return s;
}

struct stub *connected(struct sock_handle *h)
{
	struct stub *s = make();

	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	*h = fake.last_stub;
	fake_connected(0);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), 0);
	return s;
}

ssize_t_k send_bytes(struct stub *s, const void *data, uint64_t n, unsigned flags)
{
	struct uio_seg seg = { (uintptr_t)data, n };
	struct uio u = { .seg = &seg, .nsegs = 1, .left = n, .kernel = true };

	return stub_send(s, &u, flags);
}

ssize_t_k recv_bytes(struct stub *s, void *data, uint64_t n, unsigned flags)
{
	struct uio_seg seg = { (uintptr_t)data, n };
	struct uio u = { .seg = &seg, .nsegs = 1, .left = n, .kernel = true };

	return stub_recv(s, &u, flags);
}

const struct sock_end *last_end(uint16_t op)
{
	return (const void *)fake_last(op)->data;
}

struct sock_record *record_at(unsigned i)
{
	return fake.xfer[i]->frag[0].addr;
}
