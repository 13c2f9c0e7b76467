/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An sComponent between an mComponent that sends anything and a 9P server that answers anything.
 * FIT is played by client.c of the unit tests, the 9P channel by this file.
 *
 * Input: steps; each is an operation's number, the length of its message, the message (whose first
 * handle is the export's root when the byte after the length is odd), then, for each 9P request
 * that the step leads to: a byte that says how it is answered, and what that needs.
 */
#include "../fuzz.h"

#include <kern/log.h>
#include <kern/thread.h>
#include <kern/wait.h>

#include "client.h"
#include "export.h"
#include "linux.h"
#include "server.h"

enum { STEPS_MAX = 24, BODY_MAX = 200 };
enum answer_kind { AS_IT_SHOULD, ERROR, BODY, LONG_BODY, RAW, NOTHING, KINDS };

struct p9dev {
	struct spinlock lock;
	struct input *in; /* NULL: all is answered as it should be */
};
static struct p9dev dev = { .lock = SPINLOCK_INIT("fuzz") };

/* ---- the server ---- */

static uint8_t rep[128 * 1024];

static uint32_t finish(uint8_t type, uint16_t tag, uint32_t len)
{
	struct p9_cur c = { rep, rep + P9_HEAD, false };

	p9_put32(&c, len);
	p9_put8(&c, type);
	p9_put16(&c, tag);
	return len;
}

/* Enough of a body for any answer; a version is spoken. */
static uint32_t good(const uint8_t *req, uint16_t tag)
{
	struct p9_cur c = { rep + P9_HEAD, rep + sizeof(rep), false };

	memset(rep + P9_HEAD, 0, 200);
	if (req[4] == P9_VERSION) {
		p9_put32(&c, 16384);
		p9_put_str(&c, "9P2000.L", 8);
	} else if (req[4] == P9_WALK) {
		p9_put16(&c, req[15] || req[16] ? 1 : 0);
	}
	return finish(req[4] + 1, tag, P9_HEAD + 160);
}

static uint32_t answer(const uint8_t *req, uint32_t room)
{
	uint16_t tag = (uint16_t)(req[5] | req[6] << 8);
	struct input *in = req[4] == P9_CLUNK ? NULL : dev.in;
	uint32_t n;

	switch (in ? input_u8(in) % KINDS : AS_IT_SHOULD) {
	case AS_IT_SHOULD:
		return good(req, tag);
	case ERROR:
		memset(rep, 0, 16);
		rep[P9_HEAD] = input_u8(in);
		return finish(P9_LERROR + 1, tag, P9_HEAD + 4);
	case BODY:
		n = input_bytes(in, rep + P9_HEAD, input_u8(in));
		return finish(req[4] + 1, tag, P9_HEAD + n);
	case LONG_BODY: /* the input's bytes again and again, to the last byte of room */
		n = input_bytes(in, rep + P9_HEAD, BODY_MAX);
		for (uint32_t i = n; n && i < room - P9_HEAD; i++)
			rep[P9_HEAD + i] = rep[P9_HEAD + i % n];
		return finish(req[4] + 1, tag, room);
	case RAW:
		return input_bytes(in, rep, BODY_MAX);
	default:
		return 0;
	}
}

struct p9dev *p9dev_next(struct p9dev *after)
{
	return after ? NULL : &dev;
}

const char *p9dev_tag(const struct p9dev *d)
{
	return "root";
}

void p9dev_stop(struct p9dev *d)
{
}

int p9dev_submit(struct p9dev *d, struct p9dev_xchg *x)
{
	uint32_t room = 0, got, at = 0;

	for (unsigned i = x->out; i < x->out + x->in; i++)
		room += x->seg[i].len;
	kassert(room <= sizeof(rep));
	spin_lock(&dev.lock);
	got = KMIN(answer(x->seg[0].kva, room), room);
	for (unsigned i = x->out; i < x->out + x->in && at < got; i++) {
		uint32_t n = KMIN(x->seg[i].len, got - at);

		memcpy(x->seg[i].kva, rep + at, n);
		at += n;
	}
	spin_unlock(&dev.lock);
	x->done(x, got);
	return 0;
}

/* ---- the mComponent ---- */

static void answer_from(struct input *in)
{
	spin_lock(&dev.lock);
	dev.in = in;
	spin_unlock(&dev.lock);
}

static void one_step(struct input *in, uint64_t root)
{
	uint8_t msg[256];
	uint16_t op = PROTO_OP(PROTO_CLASS_STORE, input_u8(in) % 20);
	uint32_t len = input_u8(in);
	bool known = input_u8(in) & 1;

	memset(msg, 0, sizeof(msg));
	len = KMAX(input_bytes(in, msg, len), known ? 8u : 0u);
	if (known)
		memcpy(msg, &root, sizeof(root));
	if (op == OP_STORE_FORGET || op == OP_STORE_HELLO) /* the next step needs both */
		return;
	(void)client_call(ME, op, msg, len);
}

/* A session that was given up is not used again: each input has one of its own. */
static void renew(struct export *x)
{
	int err;

	p9_close(x->p9);
	x->removed_dir = false;
	x->p9 = p9_open(&dev, &err);
	kassert(x->p9);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct export *x;
	struct input in = { data, size };
	int err;

	if (!x) {
		linux_set_log_fd(-1);
		client_start();
		x = export_find("root");
	}
	client_hello();
	struct store_entry root = client_attach(ME, "root", &err);

	kassert(!err);
	answer_from(&in);
	for (int i = 0; i < STEPS_MAX && in.left; i++)
		one_step(&in, le64_get(root.handle));
	answer_from(NULL);
	server_owner_gone(ME);
	while (handle_count())
		thread_yield();
	renew(x);
	return 0;
}
