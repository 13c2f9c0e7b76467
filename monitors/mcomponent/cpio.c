// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unpacks a "newc" cpio archive into the ramfs. Each entry: 110 bytes of ASCII hexadecimal header,
 * the name, padding to 4, the data, padding to 4. Hard links (data only with the last name) are not
 * made by the archives we build: each name gets what its own entry holds.
 */
#define LOG_SUBSYS "cpio"
#include "cpio.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/mode.h>
#include "path.h"

#define HEADER_LEN 110
enum field { F_INO, F_MODE, F_UID, F_GID, F_NLINK, F_MTIME, F_SIZE, F_DEVMAJOR, F_DEVMINOR,
	     F_RDEVMAJOR, F_RDEVMINOR, F_NAMESIZE, F_CHECK, FIELDS };

struct entry {
	uint32_t f[FIELDS];
	const char *name;
	size_t name_len;
	const uint8_t *data;
};

static int parse_hex(const char *s, uint32_t *out)
{
	*out = 0;
	for (unsigned i = 0; i < 8; i++) {
		char c = s[i] | 0x20;
		uint32_t d = c >= '0' && c <= '9' ? (uint32_t)(c - '0') :
			     c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10) : 16;
		if (d == 16)
			return -EBADMSG;
		*out = *out << 4 | d;
	}
	return 0;
}

/* Bytes the entry takes, or -EBADMSG. */
static ssize_t_k parse_entry(const char *at, size_t left, struct entry *e)
{
	uint64_t data_off, total;

	if (left < HEADER_LEN || memcmp(at, "070701", 6))
		return -EBADMSG;
	for (unsigned i = 0; i < FIELDS; i++)
		if (parse_hex(at + 6 + 8 * i, &e->f[i]))
			return -EBADMSG;
	data_off = ROUND_UP((uint64_t)HEADER_LEN + e->f[F_NAMESIZE], 4);
	total = ROUND_UP(data_off + e->f[F_SIZE], 4);
	if (!e->f[F_NAMESIZE] || data_off + e->f[F_SIZE] > left)
		return -EBADMSG;
	e->name = at + HEADER_LEN;
	e->name_len = strnlen(e->name, e->f[F_NAMESIZE] - 1);
	e->data = (const uint8_t *)at + data_off;
	return KMIN(total, (uint64_t)left);
}

static int fill_inode(struct inode *i, const struct entry *e)
{
	uint32_t size = e->f[F_SIZE];
	ssize_t_k done;

	if (S_ISLNK(i->mode)) {
		i->target = kzalloc(size + 1);
		if (!i->target)
			return -ENOMEM;
		memcpy(i->target, e->data, size);
		i->size = size;
		return size && size < FILE_PATH_MAX ? 0 : -EBADMSG;
	}
	if (!S_ISREG(i->mode))
		return 0;
	done = inode_write(i, 0, e->data, size);
	return done == size ? 0 : -ENOMEM;
}

static int add_entry(const struct entry *e, struct walk *w)
{
	struct cred root = { .uid = 0 };
	struct inode *i;
	int err = walk_path(w, inode_root(), e->name, e->name_len, root, WALK_STAY);

	if (err)
		return err;
	if (w->inode) { /* "." or a directory named twice */
		w->inode->mode = S_ISDIR(w->inode->mode) ? e->f[F_MODE] : w->inode->mode;
		walk_end(w);
		return 0;
	}
	i = inode_create(w->dir->fs, e->f[F_MODE], e->f[F_UID], e->f[F_GID]);
	if (!i) {
		walk_end(w);
		return -ENOMEM;
	}
	i->rdev = (uint64_t)e->f[F_RDEVMAJOR] << 8 | e->f[F_RDEVMINOR];
	err = fill_inode(i, e);
	if (!err)
		err = dir_add(w->dir, w->last, w->last_len, i);
	i->mtime_ns = e->f[F_MTIME] * NSEC_PER_SEC;
	inode_put(i);
	walk_end(w);
	return err;
}

int cpio_unpack(const void *archive, size_t size)
{
	const char *at = archive;
	size_t off = 0;
	struct entry e;
	struct walk *w = kmalloc(sizeof(*w));
	int files = 0, err = w ? 0 : -ENOMEM;

	while (!err && off < size) {
		ssize_t_k n = parse_entry(at + off, size - off, &e);

		if (n < 0) {
			log_err("archive: bad entry at byte %zu of %zu", off, size);
			err = (int)n;
			break;
		}
		if (e.name_len == 10 && !memcmp(e.name, "TRAILER!!!", 10))
			break;
		err = add_entry(&e, w);
		if (err)
			log_err("archive: %.*s: error %d", (int)e.name_len, e.name, -err);
		off += n;
		files++;
	}
	kfree(w);
	return err ? err : files;
}
