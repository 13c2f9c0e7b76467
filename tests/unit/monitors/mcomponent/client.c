// SPDX-License-Identifier: GPL-2.0-only
#include "client.h"

#include <kern/string.h>
#include <linux/fcntl.h>

static uint8_t msg[8192];

static struct file_path at(const char *path)
{
	return (struct file_path){ .len = le16(strlen(path)) };
}

/* fixed bytes that begin with a file_path, then the path */
static int named(uint16_t op, const void *fixed, size_t size, const char *path)
{
	memcpy(msg, fixed, size);
	memcpy(msg + size, path, strlen(path));
	return op_call(P, op, msg, size + strlen(path));
}

static int take(int err, void *out, size_t size)
{
	if (!err)
		memcpy(out, reply_bytes, size);
	return err;
}

int f_path(uint16_t op, const char *path)
{
	struct file_path m = at(path);

	return named(op, &m, sizeof(m), path);
}

int f_stat(const char *path, struct file_attr *out)
{
	return take(f_path(OP_FILE_STAT, path), out, sizeof(*out));
}

int f_make(uint16_t op, const char *path, uint32_t mode)
{
	struct file_mk m = { .at = at(path), .mode = le32(mode) };

	return named(op, &m, sizeof(m), path);
}

int f_two(uint16_t op, const char *a, const char *b)
{
	struct file_two m = { .at = at(a), .len2 = le16(strlen(b)) };

	memcpy(msg, &m, sizeof(m));
	memcpy(msg + sizeof(m), a, strlen(a));
	memcpy(msg + sizeof(m) + strlen(a), b, strlen(b));
	return op_call(P, op, msg, sizeof(m) + strlen(a) + strlen(b));
}

int f_open(const char *path, uint32_t oflags, uint64_t *object)
{
	struct file_open m = { .at = at(path), .oflags = le32(oflags), .mode = le32(0644) };
	int err = named(OP_FILE_OPEN, &m, sizeof(m), path);

	if (!err)
		*object = le64_get(((struct file_attr *)reply_bytes)->object);
	return err;
}

void f_close(uint64_t object)
{
	op_call(P, OP_FILE_CLOSE, &(struct file_obj){ le64(object) }, sizeof(struct file_obj));
}

int f_write(uint64_t object, uint64_t off, const void *data, size_t n)
{
	const uint8_t *from = data;
	int err = 0;

	for (size_t len; n && !err; n -= len, from += len) {
		struct file_write m = { .object = le64(object), .off = le64(off) };

		len = KMIN(n, PAGE_SIZE - off % PAGE_SIZE);
		if (off == UINT64_MAX)
			len = KMIN(n, PAGE_SIZE);
		m.len = le32((uint32_t)len);
		memcpy(msg, &m, sizeof(m));
		memcpy(msg + sizeof(m), from, len);
		err = op_call(P, OP_FILE_WRITE, msg, sizeof(m) + len);
		off = off == UINT64_MAX ? off : off + len;
	}
	return err;
}

int f_read(uint64_t object, uint64_t index, uint8_t *page)
{
	struct file_fill m = { le64(object), le64(index) };
	int err = op_call(P, OP_FILE_FILL, &m, sizeof(m));

	if (!err)
		memcpy(page, reply_bytes + sizeof(struct file_fill_reply), PAGE_SIZE);
	return err;
}

int f_truncate(uint64_t object, uint64_t size)
{
	return op_call(P, OP_FILE_TRUNCATE,
		       &(struct file_truncate){ le64(object), le64(size) },
		       sizeof(struct file_truncate));
}

int f_getattr(uint64_t object, struct file_attr *out)
{
	return take(op_call(P, OP_FILE_GETATTR, &(struct file_obj){ le64(object) },
			    sizeof(struct file_obj)), out, sizeof(*out));
}

int f_fsync(uint64_t object)
{
	return op_call(P, OP_FILE_FSYNC, &(struct file_obj){ le64(object) },
		       sizeof(struct file_obj));
}

int f_setattr(const char *path, uint32_t valid, uint32_t mode, uint64_t mtime)
{
	struct file_setattr m = { .at = at(path), .valid = le32(valid), .mode = le32(mode),
				  .mtime_ns = le64(mtime), .atime_ns = le64(mtime) };

	return named(OP_FILE_SETATTR, &m, sizeof(m), path);
}

int f_list(const char *path, char *out, size_t size)
{
	struct file_readdir m = { .cookie = le64(0) };
	struct file_readdir_reply *h = (void *)reply_bytes;
	uint64_t object;
	int err = f_open(path, O_RDONLY | O_DIRECTORY, &object);
	bool more = !err;

	out[0] = '\0';
	for (m.object = le64(object); more && !err;) {
		uint8_t *p = reply_bytes + sizeof(*h);

		err = op_call(P, OP_FILE_READDIR, &m, sizeof(m));
		if (err)
			break;
		for (uint32_t k = 0; k < le32_get(h->n); k++) {
			struct file_dirent *d = (void *)p;
			size_t at = strlen(out);

			snprintf(out + at, size - at, "%.*s ", le16_get(d->len), d->name);
			m.cookie = d->cookie;
			p += sizeof(*d) + le16_get(d->len);
		}
		more = le32_get(h->n) && !le32_get(h->eof);
	}
	if (object)
		f_close(object);
	return err;
}

int f_getpath(const char *path, char *out, size_t size)
{
	uint64_t object;
	int err = f_open(path, O_RDONLY | O_DIRECTORY, &object);

	if (err)
		return err;
	err = op_call(P, OP_FILE_GETPATH, &(struct file_obj){ le64(object) },
		      sizeof(struct file_obj));
	if (!err)
		snprintf(out, size, "%.*s", (int)reply_len, (char *)reply_bytes);
	f_close(object);
	return err;
}
