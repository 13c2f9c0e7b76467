// SPDX-License-Identifier: GPL-2.0-only
/* See program.h. No call waits: this is the only thread. */
#include "program.h"

#include <kern/log.h>
#include <proto/gpm.h>

#include "fake.h"
#include "net/join.h"

#define STUBS 12

static struct stub *stubs[STUBS];

uint32_t some_size(struct input *in)
{
	static const uint32_t sizes[] = { 0, 1, 12, 100, 1460, 4096, 65536, SOCK_WINDOW_DEFAULT,
		NET_TX_WINDOW_MAX, UINT32_MAX };

	return sizes[input_u8(in) % ARRAY_SIZE(sizes)];
}

static struct stub **some_stub(struct input *in)
{
	return &stubs[input_u8(in) % STUBS];
}

static void make(struct input *in, struct stub **s)
{
	const struct stub_owner owner = { options & DMA ? DATA_DMA : DATA_DDIO, NODE_M, 0, false };

	if (!*s)
		*s = stub_create(input_u8(in) % 4 ? SOCK_TYPE_STREAM : SOCK_TYPE_DGRAM, 0, &owner);
	kassert(*s);
}

static void transfer(struct input *in, struct stub *s, bool out)
{
	static uint8_t bytes[70000];
	uint32_t n = some_size(in) % sizeof(bytes);
	struct uio_seg seg = { (uintptr_t)bytes, n };
	struct uio u = { .seg = &seg, .nsegs = 1, .left = n, .kernel = true };
	unsigned flags = STUB_DONTWAIT | (input_u8(in) & (STUB_MORE | STUB_PEEK | STUB_TRUNC));
	struct dgram_meta m = { .name = { 0x0a0000fe, 9 }, .has_name = true };

	if (s->type == SOCK_TYPE_STREAM)
		(void)(out ? stub_send(s, &u, flags & ~(STUB_PEEK | STUB_TRUNC)) :
			     stub_recv(s, &u, flags & ~STUB_MORE));
	else
		(void)(out ? dgram_send(s, &u, STUB_DONTWAIT, &m) : dgram_recv(s, &u, flags, &m));
}

static void begin_connect(struct stub *s)
{
	if (fake.connect || fake.join || le32_get(fake.connecting.gen)) /* the fake remembers one */
		return;
	(void)(s->type == SOCK_TYPE_DGRAM ? dgram_connect(s, 0x0a0000fe, 9) :
					    stub_connect(s, 0x0a000001, 80, true));
}

static void take_connection(struct stub *l)
{
	for (unsigned i = 0; i < STUBS; i++)
		if (!stubs[i]) {
			(void)stub_accept(l, true, &stubs[i]);
			return;
		}
}

void program(struct input *in)
{
	uint8_t what = input_u8(in);
	struct stub **s = some_stub(in);

	make(in, s);
	switch (what % 10) {
	case 0:
		(void)stub_bind(*s, what & 64 ? 0 : 0x0a000001, what & 128 ? 0 : 80);
		break;
	case 1:
		(void)((*s)->type == SOCK_TYPE_STREAM ? stub_listen(*s, what >> 4) : 0);
		break;
	case 2:
		begin_connect(*s);
		break;
	case 3:
		take_connection(*s);
		break;
	case 4: case 5:
		transfer(in, *s, true);
		break;
	case 6: case 7:
		transfer(in, *s, false);
		break;
	case 8:
		(void)stub_shutdown(*s, what >> 4 & 1 ? 1 : what >> 5 & 2);
		break;
	default:
		stub_release(*s);
		*s = NULL;
	}
	if (fake.join)
		fake.last_stub = ((const struct join_connect *)fake.join->req)->from;
}

void program_end(void)
{
	for (unsigned i = 0; i < STUBS; i++) {
		if (stubs[i])
			stub_release(stubs[i]);
		stubs[i] = NULL;
		fake.nsent = 0;
	}
}
