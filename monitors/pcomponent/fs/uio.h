/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the bytes of a read or write are: user or kernel memory, in pieces. Copying advances it.
 * User memory is touched only here (copy_*_user), so a fault on it becomes -EFAULT for the caller.
 */
#pragma once

#include <kern/types.h>

#define UIO_MAX_SEGS 1024 /* IOV_MAX */

struct uio_seg {
	uint64_t addr; /* user address, or kernel pointer when uio.kernel */
	uint64_t len;
};
struct uio {
	const struct uio_seg *seg;
	unsigned nsegs;
	uint64_t seg_off; /* already used of seg[0] */
	uint64_t left;    /* bytes left in all */
	bool kernel;
};

void uio_init_user(struct uio *u, struct uio_seg *one, uint64_t addr, uint64_t len);
void uio_init_kernel(struct uio *u, struct uio_seg *one, void *buf, uint64_t len);
/* User memory that is next in one piece: bytes; 0: it is the kernel's. */
static inline uint64_t uio_user_piece(const struct uio *u, uint64_t *addr)
{
	if (u->kernel || !u->left)
		return 0;
	*addr = u->seg->addr + u->seg_off;
	return u->seg->len - u->seg_off;
}
/* n bytes of that piece are dealt with. */
static inline void uio_skip(struct uio *u, uint64_t n)
{
	u->left -= n;
	u->seg_off += n;
	if (u->seg_off == u->seg->len) {
		u->seg++;
		u->seg_off = 0;
	}
}
/* Copies min(n, left) bytes and advances by them. Bytes copied, or -EFAULT when none could be. */
ssize_t_k uio_copy_in(void *dst, struct uio *u, size_t n);        /* from where it points to dst */
ssize_t_k uio_copy_out(struct uio *u, const void *src, size_t n); /* from src to where it points */
/* The same, but bytes in front of a page that faults are copied, as for files. */
ssize_t_k uio_copy_in_part(void *dst, struct uio *u, size_t n);
ssize_t_k uio_copy_out_part(struct uio *u, const void *src, size_t n);
