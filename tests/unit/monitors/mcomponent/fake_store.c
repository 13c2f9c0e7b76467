// SPDX-License-Identifier: GPL-2.0-only
#include "fake_store.h"

#include <kern/log.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <linux/fcntl.h>
#include <stdlib.h>
#include "inode.h"
#include "mount.h"
#include "store.h"

struct fake fake;

#define QUEUE 4096
static struct fit_call *queue[QUEUE];
static unsigned waiting;
static uint64_t next_ino = 100, next_cookie = 1000, tick = 1;
static uint8_t *slots;

/* ---- the tree ---- */

static struct fnode *node_new(uint32_t mode)
{
	struct fnode *n = calloc(1, sizeof(*n));

	n->ino = next_ino++;
	n->mode = mode;
	n->version = tick++;
	n->mtime = tick * NSEC_PER_SEC;
	n->nlink = S_ISDIR(mode) ? 2 : 0;
	return n;
}

static void node_settle(struct fnode *n)
{
	if (n->nlink || n->handles)
		return;
	fake.used -= n->size;
	free(n->data);
	free(n->target);
	free(n);
}

static struct fname *name_find(struct fnode *dir, const char *name)
{
	struct fname *e = dir->names;

	while (e && strcmp(e->name, name))
		e = e->next;
	return e;
}

struct fnode *fake_find(struct fnode *dir, const char *name)
{
	struct fname *e = name_find(dir, name);

	return e ? e->node : NULL;
}

static void name_add(struct fnode *dir, const char *name, struct fnode *n)
{
	struct fname *e = calloc(1, sizeof(*e)), **at = &dir->names;

	kstrcpy(e->name, name, sizeof(e->name));
	e->node = n;
	e->cookie = next_cookie++;
	while (*at)
		at = &(*at)->next;
	*at = e;
	n->nlink += !S_ISDIR(n->mode);
	dir->version = tick++;
}

static void name_remove(struct fnode *dir, const char *name)
{
	struct fname **at = &dir->names, *e;
	struct fnode *n;

	while (strcmp((*at)->name, name))
		at = &(*at)->next;
	e = *at;
	n = e->node;
	*at = e->next;
	free(e);
	n->nlink = S_ISDIR(n->mode) ? 0 : n->nlink - 1;
	dir->version = tick++;
	node_settle(n);
}

void fake_remove(struct fnode *dir, const char *name)
{
	name_remove(dir, name);
}

void fake_empty(struct fnode *dir)
{
	while (dir->names) {
		struct fnode *n = dir->names->node;

		if (S_ISDIR(n->mode))
			fake_empty(n);
		name_remove(dir, dir->names->name);
	}
}

static void set_size(struct fnode *n, uint64_t size)
{
	n->data = realloc(n->data, size + 1);
	if (size > n->size)
		memset(n->data + n->size, 0, size - n->size);
	fake.used += size - n->size;
	n->size = size;
	n->version = tick++;
	n->mtime = tick * NSEC_PER_SEC;
}

void fake_write(struct fnode *n, const char *text)
{
	set_size(n, strlen(text));
	memcpy(n->data, text, n->size);
}

struct fnode *fake_make(struct fnode *dir, const char *name, uint32_t mode, const char *text)
{
	struct fnode *n = node_new(mode);

	name_add(dir, name, n);
	if (S_ISLNK(mode))
		n->target = strdup(text);
	else if (text)
		fake_write(n, text);
	return n;
}

/* ---- handles: node pointers, as few as there are, checked ---- */

#define HANDLES 65536
static struct { struct fnode *n; uint32_t gen; } handles[HANDLES];

static uint64_t handle_new(struct fnode *n)
{
	for (uint32_t i = 1; i < HANDLES; i++) {
		if (handles[i].n)
			continue;
		handles[i].n = n;
		n->handles++;
		fake.handles++;
		return (uint64_t)handles[i].gen << 32 | i;
	}
	abort();
}

static struct fnode *handle_find(le64_t wire)
{
	uint64_t h = le64_get(wire);
	uint32_t i = (uint32_t)h;

	if (i >= HANDLES || !handles[i].n || handles[i].gen != h >> 32) {
		fake.misuse++;
		return NULL;
	}
	return handles[i].n;
}

static void handle_drop(uint32_t i)
{
	struct fnode *n = handles[i].n;

	handles[i].n = NULL;
	handles[i].gen++;
	fake.handles--;
	n->handles--;
	node_settle(n);
}

/* ---- operations: the reply's length or -errno ---- */

static struct store_attr attr_of(const struct fnode *n)
{
	return (struct store_attr){
		.ino = le64(n->ino), .version = le64(n->version), .size = le64(n->size),
		.mode = le32(n->mode), .nlink = le32(n->nlink), .uid = le32(n->uid),
		.gid = le32(n->gid), .blocks = le64((n->size + 511) / 512),
		.mtime_ns = le64(n->mtime), .atime_ns = le64(n->atime), .ctime_ns = le64(n->mtime),
	};
}

static int entry(struct fnode *n, void *rep)
{
	*(struct store_entry *)rep = (struct store_entry){ le64(handle_new(n)), attr_of(n) };
	return sizeof(struct store_entry);
}

static const char *text(const void *at, size_t n)
{
	static char buf[4][1100];
	static unsigned k;
	char *out = buf[k++ % 4];

	memcpy(out, at, n);
	out[n] = '\0';
	return out;
}

static int do_readdir(const struct store_readdir *m, uint8_t *rep)
{
	struct fnode *d = handle_find(m->dir);
	struct store_readdir_reply *h = (void *)rep;
	size_t len = sizeof(*h);
	uint32_t n = 0;
	struct fname *e;

	if (!d)
		return -ESTALE;
	for (e = d->names; e; e = e->next) {
		struct store_dirent r = { le64(e->node->ino), le64(e->cookie + 1),
			(e->node->mode & S_IFMT) >> 12, 0, le16(strlen(e->name)) };

		if (e->cookie < le64_get(m->cookie))
			continue;
		if (len + sizeof(r) + strlen(e->name) > FIT_MSG_MAX)
			break;
		memcpy(rep + len, &r, sizeof(r));
		memcpy(rep + len + sizeof(r), e->name, strlen(e->name));
		len += sizeof(r) + strlen(e->name);
		n++;
	}
	*h = (struct store_readdir_reply){ le32(n), le32(!e) };
	return (int)len;
}

static int do_io(const struct store_io *m, bool write, void *rep)
{
	struct fnode *n = handle_find(m->handle);
	uint64_t off = le64_get(m->off), len = le32_get(m->len);
	uint8_t *slot = slots + (size_t)le32_get(m->slot) * STORE_SLOT_SIZE;

	if (!n)
		return -ESTALE;
	if (len > STORE_SLOT_SIZE || le32_get(m->slot) >= STORE_SLOTS)
		return -EINVAL;
	if (write) {
		uint64_t end = off + len, room = fake.capacity - fake.used;

		if (end > n->size && end - n->size > room)
			end = n->size + room;
		if (end <= off && len)
			return -ENOSPC;
		len = end - off;
		if (end > n->size)
			set_size(n, end);
		memcpy(n->data + off, slot, len);
		n->version = tick++;
		n->mtime = tick * NSEC_PER_SEC;
	} else {
		len = off >= n->size ? 0 : KMIN(len, n->size - off);
		memset(slot, 0xee, STORE_SLOT_SIZE);
		if (len)
			memcpy(slot, n->data + off, len);
	}
	*(struct store_io_reply *)rep = (struct store_io_reply){ le32((uint32_t)len), le32(0) };
	return sizeof(struct store_io_reply);
}

static int do_setattr(const struct store_setattr *m, void *rep)
{
	struct fnode *n = handle_find(m->handle);
	uint32_t valid = le32_get(m->valid);

	if (!n)
		return -ESTALE;
	if (valid & STORE_SET_SIZE)
		set_size(n, le64_get(m->size));
	if (valid & STORE_SET_MODE)
		n->mode = (n->mode & S_IFMT) | le32_get(m->mode);
	if (valid & STORE_SET_UID)
		n->uid = le32_get(m->uid);
	if (valid & STORE_SET_GID)
		n->gid = le32_get(m->gid);
	if (valid & STORE_SET_MTIME)
		n->mtime = le64_get(m->mtime_ns);
	n->version = tick++;
	*(struct store_attr *)rep = attr_of(n);
	return sizeof(struct store_attr);
}

static int do_create(uint16_t op, const void *msg, void *rep)
{
	const struct store_create *c = msg;
	const struct store_symlink *l = msg;
	bool link = op == OP_STORE_SYMLINK;
	struct fnode *d = handle_find(c->dir), *n;
	size_t len = le16_get(link ? l->len : c->len);
	const char *name = text(link ? (const void *)(l + 1) : (const void *)(c + 1), len);

	if (!d)
		return -ESTALE;
	if (!S_ISDIR(d->mode) || !d->nlink)
		return -ENOENT;
	if (name_find(d, name))
		return -EEXIST;
	n = fake_make(d, name, link ? S_IFLNK | 0777 : le32_get(c->mode),
		      link ? text((const char *)(l + 1) + len, le16_get(l->target_len)) : NULL);
	n->uid = le32_get(link ? l->uid : c->uid);
	n->gid = le32_get(link ? l->gid : c->gid);
	return entry(n, rep);
}

static int do_unlink(const struct store_unlink *m)
{
	struct fnode *d = handle_find(m->dir), *n;
	const char *name = text(m + 1, le16_get(m->len));

	if (!d)
		return -ESTALE;
	n = fake_find(d, name);
	if (!n)
		return -ENOENT;
	if (S_ISDIR(n->mode) != !!(le32_get(m->flags) & AT_REMOVEDIR))
		return S_ISDIR(n->mode) ? -EISDIR : -ENOTDIR;
	if (n->names)
		return -ENOTEMPTY;
	name_remove(d, name);
	return 0;
}

static int do_rename(const struct store_rename *m)
{
	struct fnode *d = handle_find(m->dir), *to = handle_find(m->new_dir), *n, *old;
	const char *a = text(m + 1, le16_get(m->len));
	const char *b = text((const char *)(m + 1) + le16_get(m->len), le16_get(m->new_len));

	if (!d || !to)
		return -ESTALE;
	n = fake_find(d, a);
	old = fake_find(to, b);
	if (!n)
		return -ENOENT;
	if (old && old->names)
		return -ENOTEMPTY;
	if (old)
		name_remove(to, b);
	n->handles++; /* holds it */
	uint32_t nlink = n->nlink;
	name_remove(d, a);
	n->nlink = S_ISDIR(n->mode) ? nlink : n->nlink;
	name_add(to, b, n);
	n->handles--;
	return 0;
}

static int do_named(uint16_t op, const void *msg, void *rep)
{
	const struct store_name *m = msg;
	const struct store_link *l = msg;
	struct fnode *d, *n;

	if (op == OP_STORE_LOOKUP) {
		d = handle_find(m->dir);
		n = d ? fake_find(d, text(m + 1, le16_get(m->len))) : NULL;
		return !d ? -ESTALE : n ? entry(n, rep) : -ENOENT;
	}
	d = handle_find(l->dir);
	n = handle_find(l->handle);
	if (!d || !n)
		return -ESTALE;
	if (fake_find(d, text(l + 1, le16_get(l->len))))
		return -EEXIST;
	name_add(d, text(l + 1, le16_get(l->len)), n);
	*(struct store_attr *)rep = attr_of(n);
	return sizeof(struct store_attr);
}

static int do_list(void *rep)
{
	struct gsm_list *l = rep;

	memset(l, 0, sizeof(*l));
	l->expected = le32(fake.expected);
	l->n = le32(fake.no_root ? 0 : 2);
	kstrcpy(l->at[0].name, "root", GSM_NAME_MAX);
	kstrcpy(l->at[1].name, "host", GSM_NAME_MAX);
	l->at[0].node = l->at[1].node = le16(FAKE_NODE);
	return sizeof(*l);
}

static int do_obj(uint16_t op, const struct store_obj *m, void *rep)
{
	struct store_statfs sf = {
		.blocks = le64(fake.capacity / 512),
		.bfree = le64((fake.capacity - fake.used) / 512),
		.bavail = le64((fake.capacity - fake.used) / 512), .bsize = le32(512),
		.namelen = le32(255) };
	struct fnode *n = handle_find(m->handle);

	if (!n)
		return -ESTALE;
	switch (op) {
	case OP_STORE_GETATTR:
		*(struct store_attr *)rep = attr_of(n);
		return sizeof(struct store_attr);
	case OP_STORE_READLINK:
		if (!n->target)
			return -EINVAL;
		memcpy(rep, n->target, strlen(n->target));
		return (int)strlen(n->target);
	case OP_STORE_STATFS:
		memcpy(rep, &sf, sizeof(sf));
		return sizeof(sf);
	default:
		return 0;
	}
}

static int serve(const struct fit_call *c, uint8_t *rep)
{
	const void *m = c->req;

	switch (c->op) {
	case OP_GSM_LIST:
		return do_list(rep);
	case OP_STORE_HELLO:
		return 0;
	case OP_STORE_ATTACH:
		return entry(strcmp(m, "root") ? fake.host : fake.root, rep);
	case OP_STORE_LOOKUP:
	case OP_STORE_LINK:
		return do_named(c->op, m, rep);
	case OP_STORE_SETATTR:
		return do_setattr(m, rep);
	case OP_STORE_READ:
	case OP_STORE_WRITE:
		return do_io(m, c->op == OP_STORE_WRITE, rep);
	case OP_STORE_READDIR:
		return do_readdir(m, rep);
	case OP_STORE_CREATE:
	case OP_STORE_SYMLINK:
		return do_create(c->op, m, rep);
	case OP_STORE_UNLINK:
		return do_unlink(m);
	case OP_STORE_RENAME:
		return do_rename(m);
	default:
		return do_obj(c->op, m, rep);
	}
}

/* ---- the port ---- */

static void port_call(struct fit_call *c)
{
	kassert(waiting < QUEUE);
	queue[waiting++] = c;
}

static void port_send(fit_node_t node, uint16_t op, const void *msg, size_t len)
{
	const struct store_obj *m = msg;

	kassert(op == OP_STORE_FORGET && len == sizeof(*m));
	if (handle_find(m->handle))
		handle_drop((uint32_t)le64_get(m->handle));
}

static struct fit_mr *port_lend(fit_node_t node, void *addr, size_t len, struct proto_mr *out)
{
	slots = addr;
	*out = (struct proto_mr){ le64(1), le32((uint32_t)len), le32(1) };
	return (struct fit_mr *)addr;
}

static void port_unlend(struct fit_mr *mr)
{
}

static bool fails(const struct fit_call *c)
{
	return fake.fail_in && (!fake.fail_op || c->op == fake.fail_op) && !--fake.fail_in;
}

bool fake_deliver(void)
{
	static uint8_t rep[FIT_MSG_MAX];
	struct fit_reply r = { .data = rep };
	struct fit_call *c;
	unsigned k;
	int n;

	if (!waiting)
		return false;
	k = fake.shuffle ? (unsigned)rand() % waiting : 0;
	c = queue[k];
	memmove(&queue[k], &queue[k + 1], (--waiting - k) * sizeof(queue[0]));
	fake.calls++;
	if (PROTO_OP_CLASS(c->op) == PROTO_CLASS_STORE)
		fake.of[c->op & 31]++;
	n = fails(c) ? fake.fail_err : serve(c, rep);
	r.status = KMIN(n, 0);
	r.len = (size_t)KMAX(n, 0);
	c->done(c, &r);
	return true;
}

unsigned fake_waiting(void)
{
	return waiting;
}

void fake_die(void)
{
	struct fit_call *ended[QUEUE];
	unsigned n = waiting;
	struct fit_reply r = { .status = -EHOSTDOWN };

	memcpy(ended, queue, n * sizeof(ended[0]));
	waiting = 0;
	store_lost(FAKE_NODE);
	for (unsigned k = 0; k < n; k++)
		ended[k]->done(ended[k], &r);
	for (uint32_t i = 1; i < HANDLES; i++)
		if (handles[i].n)
			handle_drop(i);
}

void fake_init(void)
{
	store_port = (struct store_port){ .call = port_call, .send = port_send, .lend = port_lend,
		.unlend = port_unlend };
	if (fake.root)
		return;
	fake.root = node_new(S_IFDIR | 0755);
	fake.host = node_new(S_IFDIR | 0755);
	fake.capacity = 1ULL << 40;
	fake.expected = 1;
}
