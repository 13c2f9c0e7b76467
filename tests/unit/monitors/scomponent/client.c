// SPDX-License-Identifier: GPL-2.0-only
#include "client.h"

#include <kern/log.h>
#include <kern/string.h>
#include <kern/wait.h>
#include <stdlib.h>
#include "export.h"
#include "server.h"

static fit_handler handler;
static struct { struct fit_req req; _Atomic bool done; int status; struct waitq q; } call;
uint8_t client_slots[STORE_SLOTS * STORE_SLOT_SIZE];
uint8_t client_reply[FIT_MSG_MAX];
size_t client_reply_len;
bool client_transfers_fail;

/* ---- FIT ---- */

int fit_serve(struct fit *f, uint8_t class, fit_handler fn, void *arg)
{
	handler = fn;
	return 0;
}

void fit_reply(struct fit_req *req, int status, const void *data, size_t len)
{
	kassert(req == &call.req && len <= FIT_MSG_MAX);
	call.status = status;
	client_reply_len = len;
	memcpy(client_reply, data ? data : "", len);
	atomic_store(&call.done, true);
	waitq_wake_all(&call.q);
}

void fit_req_put(struct fit_req *req)
{
	atomic_store(&call.done, true);
}

void fit_work_begin(uint8_t class)
{
}

void fit_work_end(void)
{
}

static void transfer(struct fit_xfer *x, bool read)
{
	uint64_t len = x->frag[0].len;
	uint8_t *remote = client_slots + x->off;
	int err = client_transfers_fail ? -EHOSTDOWN : 0;

	kassert(x->nfrags == 1 && x->off + len <= sizeof(client_slots));
	if (!err)
		memcpy(read ? x->frag[0].addr : remote, read ? remote : x->frag[0].addr, len);
	x->done(x, err);
}

void fit_write(struct fit *f, struct fit_xfer *x)
{
	transfer(x, false);
}

void fit_read(struct fit *f, struct fit_xfer *x)
{
	transfer(x, true);
}

void fit_call_start(struct fit *f, struct fit_call *c)
{
	panic("nobody calls GSM here");
}

/* ---- the client ---- */

static void hello(fit_node_t from)
{
	struct store_hello m = { .slots = { le64(0), le32(sizeof(client_slots)), le32(1) } };

	kassert(client_call(from, OP_STORE_HELLO, &m, sizeof(m)) == 0);
}

void client_start(void)
{
	waitq_init(&call.q);
	kassert(export_init() == 0 && server_start(NULL) == 0);
	client_hello();
}

void client_hello(void)
{
	hello(ME);
	hello(OTHER);
}

int client_call(fit_node_t from, uint16_t op, const void *msg, size_t len)
{
	/* a copy of its own, so that ASan sees who reads beyond it */
	uint8_t *copy = malloc(len + !len);

	memcpy(copy, msg ? msg : "", len);
	call.req = (struct fit_req){ .from = from, .op = op, .data = copy, .len = len };
	atomic_store(&call.done, false);
	handler(&call.req, NULL);
	kassert(wait_event_deadline(&call.q, atomic_load(&call.done),
				    clock_mono_ns() + 30 * NSEC_PER_SEC) == 0);
	free(copy);
	return call.status;
}

void client_oneway(fit_node_t from, uint16_t op, const void *msg, size_t len)
{
	call.req = (struct fit_req){ .from = from, .op = op, .data = msg, .len = len,
		.oneway = true };
	handler(&call.req, NULL);
}

static struct store_entry entry(int status, int *err)
{
	struct store_entry e = { .handle = le64(0) };

	*err = status;
	if (!status) {
		kassert(client_reply_len == sizeof(e));
		memcpy(&e, client_reply, sizeof(e));
	}
	return e;
}

struct store_entry client_attach(fit_node_t from, const char *export, int *err)
{
	struct store_attach m = { { 0 } };

	(void)kstrcpy(m.name, export, sizeof(m.name));
	return entry(client_call(from, OP_STORE_ATTACH, &m, sizeof(m)), err);
}

static struct { uint8_t bytes[FIT_MSG_MAX]; size_t len; } msg;

static void begin(const void *head, size_t len)
{
	memcpy(msg.bytes, head, len);
	msg.len = len;
}

static void add(const char *name)
{
	memcpy(msg.bytes + msg.len, name, strlen(name));
	msg.len += strlen(name);
}

static int go(fit_node_t from, uint16_t op)
{
	return client_call(from, op, msg.bytes, msg.len);
}

struct store_entry client_lookup(fit_node_t from, uint64_t dir, const char *name, int *err)
{
	struct store_name m = { .dir = le64(dir), .len = le16((uint16_t)strlen(name)) };

	begin(&m, sizeof(m));
	add(name);
	return entry(go(from, OP_STORE_LOOKUP), err);
}

struct store_entry client_create(fit_node_t from, uint64_t dir, const char *name, uint32_t mode,
				 int *err)
{
	struct store_create m = { .dir = le64(dir), .mode = le32(mode),
		.len = le16((uint16_t)strlen(name)) };

	begin(&m, sizeof(m));
	add(name);
	return entry(go(from, OP_STORE_CREATE), err);
}

int client_symlink(fit_node_t from, uint64_t dir, const char *name, const char *target)
{
	struct store_symlink m = { .dir = le64(dir), .len = le16((uint16_t)strlen(name)),
		.target_len = le16((uint16_t)strlen(target)) };

	begin(&m, sizeof(m));
	add(name);
	add(target);
	return go(from, OP_STORE_SYMLINK);
}

int client_link(fit_node_t from, uint64_t handle, uint64_t dir, const char *name)
{
	struct store_link m = { .handle = le64(handle), .dir = le64(dir),
		.len = le16((uint16_t)strlen(name)) };

	begin(&m, sizeof(m));
	add(name);
	return go(from, OP_STORE_LINK);
}

int client_unlink(fit_node_t from, uint64_t dir, const char *name, uint32_t flags)
{
	struct store_unlink m = { .dir = le64(dir), .flags = le32(flags),
		.len = le16((uint16_t)strlen(name)) };

	begin(&m, sizeof(m));
	add(name);
	return go(from, OP_STORE_UNLINK);
}

int client_rename(fit_node_t from, uint64_t dir, const char *name, uint64_t to,
		  const char *new_name)
{
	struct store_rename m = { .dir = le64(dir), .new_dir = le64(to),
		.len = le16((uint16_t)strlen(name)), .new_len = le16((uint16_t)strlen(new_name)) };

	begin(&m, sizeof(m));
	add(name);
	add(new_name);
	return go(from, OP_STORE_RENAME);
}

int client_io(fit_node_t from, uint16_t op, uint64_t handle, uint64_t off, uint32_t len,
	      uint32_t slot)
{
	struct store_io m = { le64(handle), le64(off), le32(len), le32(slot) };
	struct store_io_reply r;
	int err = client_call(from, op, &m, sizeof(m));

	if (err)
		return err;
	kassert(client_reply_len == sizeof(r));
	memcpy(&r, client_reply, sizeof(r));
	return (int)le32_get(r.len);
}

int client_obj(fit_node_t from, uint16_t op, uint64_t handle)
{
	struct store_obj m = { le64(handle) };

	return client_call(from, op, &m, sizeof(m));
}

void client_forget(fit_node_t from, uint64_t handle)
{
	struct store_obj m = { le64(handle) };

	client_oneway(from, OP_STORE_FORGET, &m, sizeof(m));
}
