// SPDX-License-Identifier: GPL-2.0-only
/*
 * The name space: which file system shows where. It is put together when the first request for a
 * file comes (so an mComponent that holds no files asks nobody):
 *
 *   IDLE -> LISTING -> ATTACHING -> NAMING -> READY      LISTING again: not all sComponents are
 *              ^----------'                              there, or one does not answer; and when
 *              '------------------------------'          one comes back
 *
 * The export "root" is the root, any other shows at /NAME. Without it the archive is unpacked into
 * memory. /tmp, /run and /dev/shm are in memory on any root. A mount point that the root does not
 * have is shown all the same.
 *
 * Context: the fabric loop; a timer brings retries there.
 */
#define LOG_SUBSYS "mount"
#include <kern/log.h>
#include <kern/loop.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/timer.h>
#include "cpio.h"
#include "mount.h"
#include "sfs.h"
#include "wb.h"

#define RETRY_NS (200 * NSEC_PER_MSEC)
#define SAY_EVERY 25   /* retries */
#define RELIST_MAX 50  /* retries for an sComponent that is back and registers nothing */
#define ROOT_LEASE_NS NSEC_PER_SEC               /* as a rule only this rack writes it */
#define OTHER_LEASE_NS (100 * NSEC_PER_MSEC)     /* the user does, and looks at once */

static enum { IDLE, LISTING, ATTACHING, NAMING, READY } state;
static bool was_ready;
static struct waitlist ready_wait = { STAILQ_HEAD_INITIALIZER(ready_wait.jobs) };
static struct gsm_list list;
static unsigned at;      /* export that is being attached, then mount point */
static unsigned retries;
static struct fs *mounted[GSM_EXPORTS_MAX];
static unsigned nmounted;
static struct loop *loop;
static struct timer timer;
static struct loop_call retry_call;
static struct { struct fit_call call; bool busy; } ask;

static void list_start(void);
static void attach_next(void);

/* What is always there, besides the exports. */
static const struct point {
	const char *dir, *name;
	uint32_t mode;
	bool if_absent; /* only where the root has nothing; the pComponent shows what is in it */
} points[] = {
	{ NULL, "tmp", 01777, false },  { NULL, "run", 0755, false },
	{ NULL, "dev", 0755, true },    { NULL, "proc", 0555, true },
	{ NULL, "sys", 0555, true },    { "dev", "shm", 01777, false },
};

/* ---- time ---- */

void mount_retry(void)
{
	if (state == LISTING && !ask.busy)
		list_start();
}

static void on_retry(struct loop_call *c)
{
	mount_retry();
}

static void on_timer(void *arg)
{
	loop_post(loop, &retry_call);
}

void mount_init(struct loop *l)
{
	loop = l;
	retry_call.fn = on_retry;
	timer_init(&timer, on_timer, NULL);
}

static void retry_later(void)
{
	state = LISTING;
	retries++;
	if (loop)
		timer_arm(&timer, clock_mono_ns() + RETRY_NS);
}

/* ---- file systems in memory ---- */

static struct inode *memory_root(struct fs *fs, uint32_t mode)
{
	struct inode *i = inode_create(fs, S_IFDIR | mode, 0, 0);

	if (i) {
		i->nlink = 2;
		fs->root = i;
	}
	return i;
}

int mount_memory_root(void)
{
	struct fs *fs = fs_create("memory", NULL);
	size_t size;
	const void *archive = boot_archive(&size);
	int files;

	if (!fs || !memory_root(fs, 0755))
		return -ENOMEM;
	inode_set_root(fs->root);
	files = archive ? cpio_unpack(archive, size) : 0;
	if (files >= 0)
		log_info("root in memory: %d files, %zu KiB archive", files, size / 1024);
	return KMIN(files, 0);
}

/* ---- mount points ---- */

static int find_name(struct inode *dir, const char *name, struct dirent **out)
{
	if (inode_is_store(dir))
		return sfs_lookup(dir, name, strlen(name), out);
	*out = dir_find(dir, name, strlen(name));
	return 0;
}

static bool shows_dir(const struct dirent *e)
{
	return e && e->inode && S_ISDIR(e->inode->mode);
}

/* root shows as name in dir from now on; e is what is known of the name. */
static int show(struct inode *dir, const char *name, struct dirent *e, struct inode *root)
{
	int err;

	if (!e) { /* in memory */
		err = dir_add(dir, name, strlen(name), root);
		if (!err)
			dir_find(dir, name, strlen(name))->mount = true;
		return err;
	}
	dirent_mount(e, root, e->inode != NULL);
	return 0;
}

static int make_dir(struct inode *dir, const char *name, uint32_t mode)
{
	struct inode *i = inode_create(dir->fs, S_IFDIR | mode, 0, 0);
	int err = i ? dir_add(dir, name, strlen(name), i) : -ENOMEM;

	if (i)
		inode_put(i);
	return err;
}

static int show_point(const struct point *p)
{
	struct inode *dir = inode_root();
	struct dirent *e;
	struct fs *fs;
	int err = 0;

	if (p->dir) {
		err = find_name(dir, p->dir, &e);
		if (err)
			return err;
		if (!shows_dir(e))
			return -ENOENT;
		dir = e->inode;
	}
	err = find_name(dir, p->name, &e);
	if (err || (shows_dir(e) && (p->if_absent || e->mount || !inode_is_store(dir))))
		return err;
	if (!inode_is_store(dir))
		return make_dir(dir, p->name, p->mode);
	fs = fs_create(p->name, NULL);
	if (!fs || !memory_root(fs, p->mode))
		return -ENOMEM;
	return show(dir, p->name, e, fs->root);
}

static int show_export(struct fs *fs)
{
	struct dirent *e;
	int err;

	if (fs->root == inode_root())
		return 0;
	err = find_name(inode_root(), fs->name, &e);
	if (err || (e && e->mount))
		return err;
	return show(inode_root(), fs->name, e, fs->root);
}

/* The job that names: runs until all points are there. */
static int name_all(struct job *j, int status, struct reply *r)
{
	unsigned npoints = ARRAY_SIZE(points);

	for (; at < npoints + nmounted; at++) {
		const char *name = at < npoints ? points[at].name : mounted[at - npoints]->name;
		int err = status < 0 ? status :
			at < npoints ? show_point(&points[at]) : show_export(mounted[at - npoints]);

		status = 0;
		if (err == JOB_PARKED)
			return err;
		if (err)
			log_warn("%s cannot be shown: error %d", name, -err);
	}
	return 0;
}

static void named(struct job *j, int status, struct reply *r)
{
	state = READY;
	was_ready = true;
	jobs_wake(&ready_wait, 0);
}

static void name_start(void)
{
	struct job j = { .fn = name_all, .end = named };
	struct fs *root = NULL;

	state = NAMING;
	for (unsigned i = 0; i < nmounted; i++)
		if (!strcmp(mounted[i]->name, "root"))
			root = mounted[i];
	if (!inode_root()) {
		if (root)
			inode_set_root(root->root);
		else if (mount_memory_root())
			log_err("the archive is not complete");
	}
	at = 0;
	job_run(&j);
}

/* ---- exports ---- */

static struct fs *mounted_find(const char *name)
{
	for (unsigned i = 0; i < nmounted; i++)
		if (!strcmp(mounted[i]->name, name))
			return mounted[i];
	return NULL;
}

static int mount_export(const struct gsm_export *x, struct store *s,
			const struct store_entry *entry)
{
	struct fs *fs = mounted_find(x->name);
	bool fresh = !fs;

	if (!S_ISDIR(le32_get(entry->attr.mode)))
		return -ENOTDIR;
	if (fresh)
		fs = nmounted < GSM_EXPORTS_MAX ? fs_create(x->name, s) : NULL;
	if (!fs)
		return -ENOMEM;
	fs->store = s;
	fs->read_only = le16_get(x->flags) & GSM_READ_ONLY;
	fs->lease_ns = strcmp(x->name, "root") ? OTHER_LEASE_NS : ROOT_LEASE_NS;
	struct inode *root = sfs_inode(fs, entry);
	if (!root)
		return -ENOMEM;
	if (!fs->root) {
		fs->root = root;
		mounted[nmounted++] = fs;
	} else { /* the sComponent came back; or its folder is another one now */
		if (root != fs->root)
			log_warn("%s is not the folder it was", x->name);
		inode_put(root);
	}
	log_info("%s from node %u%s%s", x->name, s->node, fs->read_only ? ", read-only" : "",
		 fresh ? "" : ", again");
	return 0;
}

static void attached(struct store_call *c, int status, const void *rep, size_t len)
{
	const struct gsm_export *x = &list.at[c->index];

	if (!status)
		status = mount_export(x, c->store, rep);
	if (status) {
		if (retries % SAY_EVERY == 0)
			log_warn("%s is not to be had: error %d", x->name, -status);
		retry_later();
		return;
	}
	at++;
	attach_next();
}

static void attach(struct store *s)
{
	struct store_attach m;
	struct store_call *c;

	memcpy(m.name, list.at[at].name, sizeof(m.name));
	c = store_call_new(s, OP_STORE_ATTACH, &m, sizeof(m), 0);
	if (!c) {
		retry_later();
		return;
	}
	c->index = at;
	c->rep_min = sizeof(struct store_entry);
	c->done = attached;
	store_call_start(c);
}

static void greeted(struct store *s, int status)
{
	if (status)
		retry_later();
	else
		attach(s);
}

static void attach_next(void)
{
	for (; at < le32_get(list.n); at++) {
		struct fs *fs = mounted_find(list.at[at].name);
		struct store *s = store_get(le16_get(list.at[at].node));

		if (!s) {
			retry_later();
			return;
		}
		if (fs && fs->store == s && !sfs_alive(fs->root))
			continue;
		if (s->up)
			attach(s);
		else if (store_hello(s, greeted))
			retry_later();
		return;
	}
	retries = 0;
	name_start();
}

/* ---- the list ---- */

static unsigned nodes_in(const struct gsm_list *l)
{
	unsigned n = 0;

	for (unsigned i = 0; i < le32_get(l->n); i++) {
		unsigned k = 0;

		while (k < i && le16_get(l->at[k].node) != le16_get(l->at[i].node))
			k++;
		n += k == i;
	}
	return n;
}

static bool list_ok(const struct gsm_list *l, size_t len)
{
	if (len != sizeof(*l) || le32_get(l->n) > GSM_EXPORTS_MAX)
		return false;
	for (unsigned i = 0; i < le32_get(l->n); i++) {
		const struct gsm_export *x = &l->at[i];
		size_t n = strnlen(x->name, sizeof(x->name));

		if (!n || n == sizeof(x->name) || strchr(x->name, '/') || x->name[0] == '.' ||
		    le16_get(x->node) >= FIT_NODES_MAX)
			return false;
	}
	return true;
}

/* Some time after that an answer that stays short is all there will be. */
static bool wait_for_more(unsigned have)
{
	if (have >= le32_get(list.expected))
		return false;
	if (was_ready && retries >= RELIST_MAX)
		return false;
	if (retries % SAY_EVERY == 0)
		log_info("waiting for sComponents: %u of %u", have, le32_get(list.expected));
	return true;
}

static void listed(struct fit_call *c, const struct fit_reply *r)
{
	ask.busy = false;
	if (r->status == -ETIMEDOUT || r->status == -EHOSTDOWN) {
		retry_later();
		return;
	}
	/* a manager without GSM, or one that makes no sense: no exports */
	if (r->status || !list_ok(r->data, r->len))
		memset(&list, 0, sizeof(list));
	else
		memcpy(&list, r->data, sizeof(list));
	if (wait_for_more(nodes_in(&list))) {
		retry_later();
		return;
	}
	state = ATTACHING;
	at = 0;
	attach_next();
}

static void list_start(void)
{
	state = LISTING;
	ask.busy = true;
	ask.call = (struct fit_call){ .node = FIT_NODE_MANAGER, .op = OP_GSM_LIST, .done = listed };
	store_port.call(&ask.call);
}

int mount_ready(void)
{
	if (was_ready)
		return 0;
	if (state == IDLE)
		list_start();
	return job_park(&ready_wait, NULL);
}

void mount_store_up(void)
{
	if (state != READY)
		return;
	retries = 0;
	list_start();
}
