// SPDX-License-Identifier: GPL-2.0-only
/* The rack in one process: see rack.h. */
#include "rack.h"

#include "../../../include/dev/chan.h"
#include "../../../include/dev/netdev.h"
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/random.h>
#include <kern/string.h>
#include <kern/wait.h>
#include <stdio.h>

#include "../../../managers/manager.h"
#include "../../../monitors/common/ctl_start.h"
#include "../../../monitors/common/member.h"
#include "linux.h"

struct board rack_manager;

/* ---- the channel ---- */

static void (*chan_rx)(const uint8_t *, size_t, void *);
static struct waitq out_q;
static struct spinlock out_lock = SPINLOCK_INIT("out");
static uint8_t out[1 << 20];
static size_t out_len, out_taken;

struct chan *chan_control(void)
{
	return (struct chan *)&out_q;
}

int chan_write(struct chan *c, const void *buf, size_t n)
{
	spin_lock(&out_lock);
	kassert(out_len + n <= sizeof(out));
	memcpy(out + out_len, buf, n);
	out_len += n;
	spin_unlock(&out_lock);
	waitq_wake_all(&out_q);
	return 0;
}

void chan_set_rx(struct chan *c, void (*rx)(const uint8_t *, size_t, void *), void *arg)
{
	chan_rx = rx;
}

struct netdev *netdev_first(void)
{
	return NULL;
}

void rack_ctl_send(uint16_t type, uint64_t stream, const void *data, size_t len)
{
	struct ctl_hdr h = { .magic = le32(CTL_MAGIC), .type = le16(type), .stream = le64(stream),
		.len = le32((uint32_t)len) };
	uint8_t *p = kmalloc(sizeof(h) + len);

	memcpy(p, &h, sizeof(h));
	memcpy(p + sizeof(h), data, len);
	chan_rx(p, 7, NULL); /* in two pieces: the header is cut */
	chan_rx(p + 7, sizeof(h) + len - 7, NULL);
	kfree(p);
}

static bool frame_there(struct ctl_hdr *h)
{
	bool ok;

	spin_lock(&out_lock);
	ok = out_len - out_taken >= sizeof(*h);
	if (ok)
		memcpy(h, out + out_taken, sizeof(*h));
	ok = ok && out_len - out_taken >= sizeof(*h) + le32_get(h->len);
	spin_unlock(&out_lock);
	return ok;
}

bool rack_ctl_read(struct rack_frame *f)
{
	struct ctl_hdr h;

	if (!rack_wait(frame_there(&h)))
		return false;
	kassert(le32_get(h.magic) == CTL_MAGIC);
	f->type = le16_get(h.type);
	f->stream = le64_get(h.stream);
	f->len = le32_get(h.len);
	memcpy(f->data, out + out_taken + sizeof(h), f->len);
	out_taken += sizeof(h) + f->len;
	return true;
}

/* ---- boards ---- */

static void board_init(struct board *b, const char *name, enum proto_role role, uint32_t ip)
{
	int err = 0;

	kstrcpy(b->name, name, sizeof(b->name));
	b->role = role;
	b->ip = ip;
	b->incarnation = random_u64() | 1;
	waitq_init(&b->changed);
	view_init(&b->view);
	b->loop = loop_create(name, CPU_ANY);
	b->dev = mock_dev_create(ip, b->loop);
	b->fit = fit_create(&(struct fit_config){ .dev = b->dev, .loop = b->loop, .ip = ip,
		.incarnation = b->incarnation,
		.self = role == ROLE_MANAGER ? FIT_NODE_MANAGER : FIT_NODE_NONE }, &err);
	kassert(b->fit && !loop_start(b->loop));
}

void rack_start(void)
{
	linux_set_cmdline("heartbeat_ms=50 member.missed=10 gsm.expected=2");
	waitq_init(&out_q);
	board_init(&rack_manager, "manager", ROLE_MANAGER, RACK_IP(0));
	kassert(!ctl_start(&rack_manager));
	kassert(!manager_start(&rack_manager));
	ctl_ready(&rack_manager);
}

struct board *rack_board(const char *name, enum proto_role role, uint32_t ip, bool join)
{
	struct board *b = kzalloc(sizeof(*b));

	board_init(b, name, role, ip);
	if (join) {
		kassert(!member_start(b, RACK_IP(0)));
		kassert(!wait_event_deadline(&b->changed, b->joined,
					     clock_mono_ns() + 5 * NSEC_PER_SEC));
		kassert(rack_wait(b->view.n));
	} else {
		kassert(!fit_peer_set(b->fit, FIT_NODE_MANAGER, RACK_IP(0), 0));
	}
	return b;
}

void rack_silence(struct board *b)
{
	mock_unplug(b->ip, true);
	mock_hold(b->ip, true);
	mock_break(b->ip, RACK_IP(0));
}

void rack_end(struct board *b)
{
	rack_silence(b);
	fit_destroy(b->fit);
	rdma_dev_destroy(b->dev);
	kfree(b);
}
