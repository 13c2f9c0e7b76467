// SPDX-License-Identifier: GPL-2.0-only
#include "hostfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <kern/log.h>
#include <kern/wait.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#include "handle.h"

#define NFIDS 512
#define ROOM (80 * 1024)

struct fid {
	bool used;
	uint32_t number;
	char path[600];
	int fd;
	DIR *dir;
};
struct p9dev {
	struct waitq q;
	struct spinlock lock;
	struct p9dev_xchg *queue[P9DEV_DEPTH];
	unsigned n;
	bool stopped;
	struct p9dev_xchg *held; /* the one that gets no answer */
};

static struct p9dev dev;
static struct fid fids[NFIDS];
static int root_fd = -1;
char hostfs_folder[64];
unsigned hostfs_fail_type, hostfs_fail_errno, hostfs_silent;
uint64_t hostfs_room = UINT64_MAX;
uint32_t hostfs_read_max = UINT32_MAX;
uint32_t (*hostfs_answer)(const uint8_t *req, uint32_t len, uint8_t *rep, uint32_t room);

/* ---- fids ---- */

static struct fid *find(uint32_t number)
{
	for (unsigned i = 0; i < NFIDS; i++)
		if (fids[i].used && fids[i].number == number)
			return &fids[i];
	return NULL;
}

static struct fid *make(uint32_t number, const char *path)
{
	for (unsigned i = 0; i < NFIDS; i++) {
		if (fids[i].used)
			continue;
		fids[i] = (struct fid){ .used = true, .number = number, .fd = -1 };
		snprintf(fids[i].path, sizeof(fids[i].path), "%s", path);
		return &fids[i];
	}
	panic("hostfs: %d fids are not given back", NFIDS);
}

static void drop(struct fid *f)
{
	if (f->dir)
		closedir(f->dir);
	else if (f->fd >= 0)
		close(f->fd);
	f->used = false;
}

unsigned hostfs_fids(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < NFIDS; i++)
		n += fids[i].used && fids[i].number != 0 && fids[i].number != FID_OWNERS;
	return n;
}

/* QEMU: v9fs_fix_fid_paths(). */
static void renamed(const char *from, const char *to)
{
	size_t len = strlen(from);

	for (unsigned i = 0; i < NFIDS; i++) {
		struct fid *f = &fids[i];
		char rest[600];

		if (!f->used || strncmp(f->path, from, len) ||
		    (f->path[len] && f->path[len] != '/'))
			continue;
		snprintf(rest, sizeof(rest), "%s", f->path + len);
		snprintf(f->path, sizeof(f->path), "%.290s%.300s", to, rest);
	}
}

static const char *at(const char *path)
{
	return *path ? path : ".";
}

/* ---- requests; each returns 0 or an errno ---- */

struct ctx {
	struct p9_cur in, out;
	char name[300], name2[1200];
	char path[600];
	struct fid *f;
};

static const char *text(struct ctx *c, char *buf, size_t room)
{
	size_t len;
	const char *s = p9_get_str(&c->in, &len);

	snprintf(buf, room, "%.*s", (int)len, s ? s : "");
	return buf;
}

static const char *child(struct ctx *c, const struct fid *dir, const char *name)
{
	snprintf(c->path, sizeof(c->path), "%.290s%s%.290s", dir->path, *dir->path ? "/" : "",
		 name);
	return c->path;
}

static void put_qid(struct ctx *c, const struct stat *st)
{
	p9_put8(&c->out, S_ISDIR(st->st_mode) ? 0x80 : S_ISLNK(st->st_mode) ? 2 : 0);
	p9_put32(&c->out, (uint32_t)st->st_mtime);
	p9_put64(&c->out, st->st_ino);
}

static int do_version(struct ctx *c)
{
	uint32_t msize = p9_get32(&c->in);

	p9_put32(&c->out, KMIN(msize, 20000u)); /* less than asked for: reads and writes are cut */
	p9_put_str(&c->out, "9P2000.L", 8);
	return 0;
}

static int do_attach(struct ctx *c)
{
	make(p9_get32(&c->in), "");
	return 0;
}

static int do_walk(struct ctx *c)
{
	struct fid *f = find(p9_get32(&c->in));
	uint32_t newfid = p9_get32(&c->in);
	uint16_t n = p9_get16(&c->in);
	struct stat st;

	if (!f || find(newfid))
		return f ? EINVAL : ENOENT;
	const char *path = n ? child(c, f, text(c, c->name, sizeof(c->name))) : f->path;

	if (fstatat(root_fd, at(path), &st, AT_SYMLINK_NOFOLLOW))
		return errno;
	p9_put16(&c->out, n);
	if (n)
		put_qid(c, &st);
	make(newfid, path);
	return 0;
}

static int do_getattr(struct ctx *c)
{
	struct stat st;

	if (fstatat(root_fd, at(c->f->path), &st, AT_SYMLINK_NOFOLLOW))
		return errno;
	p9_put64(&c->out, P9_GETATTR_BASIC);
	put_qid(c, &st);
	p9_put32(&c->out, st.st_mode);
	p9_put32(&c->out, st.st_uid);
	p9_put32(&c->out, st.st_gid);
	uint64_t n[] = { st.st_nlink, st.st_rdev, (uint64_t)st.st_size, (uint64_t)st.st_blksize,
			 (uint64_t)st.st_blocks, (uint64_t)st.st_atim.tv_sec,
			 (uint64_t)st.st_atim.tv_nsec, (uint64_t)st.st_mtim.tv_sec,
			 (uint64_t)st.st_mtim.tv_nsec, (uint64_t)st.st_ctim.tv_sec,
			 (uint64_t)st.st_ctim.tv_nsec, 0, 0, 0, 0 };

	for (unsigned i = 0; i < ARRAY_SIZE(n); i++)
		p9_put64(&c->out, n[i]);
	return 0;
}

static int do_setattr(struct ctx *c)
{
	uint32_t valid = p9_get32(&c->in), mode = p9_get32(&c->in);
	int fd, err = 0;

	(void)p9_get64(&c->in); /* uid, gid: the test is nobody special */
	uint64_t size = p9_get64(&c->in), as = p9_get64(&c->in), an = p9_get64(&c->in),
		 ms = p9_get64(&c->in), mn = p9_get64(&c->in);

	if (valid & P9_SETATTR_MODE && fchmodat(root_fd, at(c->f->path), mode, 0))
		return errno;
	if (valid & (P9_SETATTR_ATIME | P9_SETATTR_MTIME)) {
		struct timespec t[2] = { { (time_t)as, (long)an }, { (time_t)ms, (long)mn } };

		t[0].tv_nsec = !(valid & P9_SETATTR_ATIME) ? UTIME_OMIT :
			valid & P9_SETATTR_ATIME_SET ? t[0].tv_nsec : UTIME_NOW;
		t[1].tv_nsec = !(valid & P9_SETATTR_MTIME) ? UTIME_OMIT :
			valid & P9_SETATTR_MTIME_SET ? t[1].tv_nsec : UTIME_NOW;
		if (utimensat(root_fd, at(c->f->path), t, AT_SYMLINK_NOFOLLOW))
			return errno;
	}
	if (valid & P9_SETATTR_SIZE) {
		fd = openat(root_fd, at(c->f->path), O_WRONLY | O_NOFOLLOW);
		err = fd < 0 || ftruncate(fd, (off_t)size) ? errno : 0;
		if (fd >= 0)
			close(fd);
	}
	return err;
}

static int opened(struct ctx *c, struct fid *f, int fd)
{
	struct stat st;

	if (fd < 0)
		return errno;
	f->fd = fd;
	fstat(fd, &st);
	if (S_ISDIR(st.st_mode))
		f->dir = fdopendir(fd);
	put_qid(c, &st);
	p9_put32(&c->out, 0);
	return 0;
}

static int do_lopen(struct ctx *c)
{
	int flags = (int)p9_get32(&c->in);

	if (c->f->fd >= 0)
		return EINVAL;
	return opened(c, c->f, openat(root_fd, at(c->f->path), flags | O_NOFOLLOW));
}

static int do_lcreate(struct ctx *c)
{
	text(c, c->name, sizeof(c->name));
	int flags = (int)p9_get32(&c->in);
	uint32_t mode = p9_get32(&c->in);
	const char *path = child(c, c->f, c->name);
	int err = opened(c, c->f, openat(root_fd, path, flags | O_CREAT, mode));

	if (!err)
		snprintf(c->f->path, sizeof(c->f->path), "%s", path);
	return err;
}

static int do_read(struct ctx *c)
{
	uint64_t off = p9_get64(&c->in);
	uint32_t len = KMIN(p9_get32(&c->in), hostfs_read_max);
	uint8_t *count = p9_take(&c->out, 4);
	ssize_t n = pread(c->f->fd, c->out.at, KMIN((size_t)len, (size_t)(c->out.end - c->out.at)),
			  (off_t)off);

	if (n < 0)
		return errno;
	le32_t wire = le32((uint32_t)n);

	memcpy(count, &wire, sizeof(wire));
	c->out.at += n;
	return 0;
}

static int do_write(struct ctx *c)
{
	uint64_t off = p9_get64(&c->in);
	uint32_t len = p9_get32(&c->in);
	const uint8_t *data = p9_take(&c->in, len);

	kassert(data);
	if (len && !hostfs_room)
		return ENOSPC;
	ssize_t n = pwrite(c->f->fd, data, KMIN((uint64_t)len, hostfs_room), (off_t)off);

	if (n < 0)
		return errno;
	hostfs_room -= hostfs_room == UINT64_MAX ? 0 : (uint64_t)n;
	p9_put32(&c->out, (uint32_t)n);
	return 0;
}

static int do_fsync(struct ctx *c)
{
	return fsync(c->f->fd) ? errno : 0;
}

static int do_readdir(struct ctx *c)
{
	uint64_t off = p9_get64(&c->in);
	uint32_t len = p9_get32(&c->in);
	uint8_t *count = p9_take(&c->out, 4), *from = c->out.at;
	struct dirent *d;

	if (!c->f->dir)
		return EINVAL;
	if (off)
		seekdir(c->f->dir, (long)off);
	else
		rewinddir(c->f->dir);
	while ((d = readdir(c->f->dir)) != NULL) {
		if ((size_t)(c->out.at - from) + 24 + strlen(d->d_name) > len)
			break;
		struct stat st = { .st_ino = d->d_ino };

		put_qid(c, &st);
		p9_put64(&c->out, (uint64_t)d->d_off);
		p9_put8(&c->out, d->d_type);
		p9_put_str(&c->out, d->d_name, strlen(d->d_name));
	}
	le32_t wire = le32((uint32_t)(c->out.at - from));

	memcpy(count, &wire, sizeof(wire));
	return 0;
}

static int do_mkdir(struct ctx *c)
{
	text(c, c->name, sizeof(c->name));
	return mkdirat(root_fd, child(c, c->f, c->name), p9_get32(&c->in)) ? errno : 0;
}

static int do_mknod(struct ctx *c)
{
	text(c, c->name, sizeof(c->name));
	return mknodat(root_fd, child(c, c->f, c->name), p9_get32(&c->in), 0) ? errno : 0;
}

static int do_symlink(struct ctx *c)
{
	text(c, c->name, sizeof(c->name));
	text(c, c->name2, sizeof(c->name2));
	return symlinkat(c->name2, root_fd, child(c, c->f, c->name)) ? errno : 0;
}

static int do_readlink(struct ctx *c)
{
	char buf[PATH_MAX];
	ssize_t n = readlinkat(root_fd, c->f->path, buf, sizeof(buf));

	if (n < 0)
		return errno;
	p9_put_str(&c->out, buf, (size_t)n);
	return 0;
}

static int do_link(struct ctx *c)
{
	struct fid *f = find(p9_get32(&c->in));

	if (!f)
		return ENOENT;
	text(c, c->name, sizeof(c->name));
	return linkat(root_fd, f->path, root_fd, child(c, c->f, c->name), 0) ? errno : 0;
}

static int do_unlinkat(struct ctx *c)
{
	text(c, c->name, sizeof(c->name));
	return unlinkat(root_fd, child(c, c->f, c->name), (int)p9_get32(&c->in)) ? errno : 0;
}

static int do_renameat(struct ctx *c)
{
	char from[600];

	text(c, c->name, sizeof(c->name));
	struct fid *to = find(p9_get32(&c->in));

	if (!to)
		return ENOENT;
	snprintf(from, sizeof(from), "%s", child(c, c->f, c->name));
	child(c, to, text(c, c->name2, sizeof(c->name2)));
	if (renameat(root_fd, from, root_fd, c->path))
		return errno;
	renamed(from, c->path);
	return 0;
}

static int do_statfs(struct ctx *c)
{
	struct statfs s;

	fstatfs(root_fd, &s);
	p9_put32(&c->out, (uint32_t)s.f_type);
	p9_put32(&c->out, (uint32_t)s.f_bsize);
	uint64_t n[] = { s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree, 0 };

	for (unsigned i = 0; i < ARRAY_SIZE(n); i++)
		p9_put64(&c->out, n[i]);
	p9_put32(&c->out, (uint32_t)s.f_namelen);
	return 0;
}

static int do_clunk(struct ctx *c)
{
	drop(c->f);
	return 0;
}

static const struct { int (*fn)(struct ctx *); bool fid; } requests[128] = {
	[P9_VERSION] = { do_version, false }, [P9_ATTACH] = { do_attach, false },
	[P9_WALK] = { do_walk, false }, [P9_GETATTR] = { do_getattr, true },
	[P9_SETATTR] = { do_setattr, true }, [P9_LOPEN] = { do_lopen, true },
	[P9_LCREATE] = { do_lcreate, true }, [P9_READ] = { do_read, true },
	[P9_WRITE] = { do_write, true }, [P9_FSYNC] = { do_fsync, true },
	[P9_READDIR] = { do_readdir, true }, [P9_MKDIR] = { do_mkdir, true },
	[P9_MKNOD] = { do_mknod, true }, [P9_SYMLINK] = { do_symlink, true },
	[P9_READLINK] = { do_readlink, true }, [P9_LINK] = { do_link, true },
	[P9_UNLINKAT] = { do_unlinkat, true }, [P9_RENAMEAT] = { do_renameat, true },
	[P9_STATFS] = { do_statfs, true }, [P9_CLUNK] = { do_clunk, true },
};

static int serve(struct ctx *c, uint8_t type)
{
	if (type == hostfs_fail_type)
		return (int)hostfs_fail_errno;
	if (type >= ARRAY_SIZE(requests) || !requests[type].fn)
		return EOPNOTSUPP;
	if (requests[type].fid) {
		c->f = find(p9_get32(&c->in));
		if (!c->f)
			return ENOENT;
	}
	return requests[type].fn(c);
}

static uint32_t answer(uint8_t *req, uint32_t len, uint8_t *rep, uint32_t room)
{
	static struct ctx c;

	c = (struct ctx){ .in = { req, req + len, false },
			  .out = { rep + P9_HEAD, rep + room, false } };
	uint32_t size = p9_get32(&c.in);
	uint8_t type = p9_get8(&c.in);
	uint16_t tag = p9_get16(&c.in);

	kassert(size == len);
	int err = serve(&c, type);

	if (err) {
		c.out = (struct p9_cur){ rep + P9_HEAD, rep + room, false };
		p9_put32(&c.out, (uint32_t)err);
	}
	kassert(!c.out.bad && !c.in.bad);
	struct p9_cur head = { rep, rep + P9_HEAD, false };

	p9_put32(&head, (uint32_t)(c.out.at - rep));
	p9_put8(&head, err ? P9_LERROR + 1 : type + 1);
	p9_put16(&head, tag);
	return (uint32_t)(c.out.at - rep);
}

/* ---- the channel ---- */

static void carry_out(struct p9dev_xchg *x)
{
	static uint8_t req[ROOM], rep[ROOM];
	uint32_t len = 0, at_ = 0, room = 0, got;

	for (unsigned i = 0; i < x->out; i++) {
		memcpy(req + len, x->seg[i].kva, x->seg[i].len);
		len += x->seg[i].len;
	}
	if (hostfs_silent && req[4] == hostfs_silent) {
		dev.held = x;
		return;
	}
	for (unsigned i = x->out; i < x->out + x->in; i++)
		room += x->seg[i].len;
	got = hostfs_answer ? hostfs_answer(req, len, rep, room) : answer(req, len, rep, room);
	for (unsigned i = x->out; i < x->out + x->in && at_ < got; i++) {
		uint32_t n = KMIN(x->seg[i].len, got - at_);

		memcpy(x->seg[i].kva, rep + at_, n);
		at_ += n;
	}
	x->busy = false;
	x->done(x, got);
}

static struct p9dev_xchg *next_xchg(void)
{
	spin_lock(&dev.lock);
	struct p9dev_xchg *x = dev.n ? dev.queue[0] : NULL;

	if (x)
		memmove(dev.queue, dev.queue + 1, --dev.n * sizeof(x));
	spin_unlock(&dev.lock);
	return x;
}

static void server(void *arg)
{
	struct p9dev_xchg *x;

	for (;;) {
		wait_event(&dev.q, (x = next_xchg()) != NULL);
		carry_out(x);
	}
}

int p9dev_submit(struct p9dev *d, struct p9dev_xchg *x)
{
	int err = 0;

	spin_lock(&d->lock);
	if (d->stopped) {
		err = -EIO;
	} else {
		x->busy = true;
		d->queue[d->n++] = x;
	}
	spin_unlock(&d->lock);
	waitq_wake_one(&d->q);
	return err;
}

void p9dev_stop(struct p9dev *d)
{
	struct p9dev_xchg *x;

	spin_lock(&d->lock);
	d->stopped = true;
	spin_unlock(&d->lock);
	while ((x = next_xchg()) != NULL)
		x->done(x, 0);
	if (d->held)
		d->held->done(d->held, 0);
	d->held = NULL;
}

struct p9dev *p9dev_next(struct p9dev *after)
{
	return after ? NULL : &dev;
}

const char *p9dev_tag(const struct p9dev *d)
{
	return "root";
}

void hostfs_restart(void)
{
	for (unsigned i = 0; i < NFIDS; i++)
		if (fids[i].used)
			drop(&fids[i]);
	dev.stopped = false;
}

void hostfs_start(void)
{
	static bool running;

	strcpy(hostfs_folder, "/tmp/hostfs.XXXXXX");
	kassert(mkdtemp(hostfs_folder));
	root_fd = open(hostfs_folder, O_PATH | O_DIRECTORY);
	umask(0);
	if (running)
		return;
	running = true;
	waitq_init(&dev.q);
	spin_init(&dev.lock, "hostfs");
	kassert(!thread_spawn("hostfs", server, NULL, CPU_ANY));
}
