// SPDX-License-Identifier: GPL-2.0-only
/* Piecewise copying to and from user or kernel memory. Thread context; faults may sleep. */
#include "fs/uio.h"

#include <kern/string.h>
#include <kern/uspace.h>

void uio_init_user(struct uio *u, struct uio_seg *one, uint64_t addr, uint64_t len)
{
	*one = (struct uio_seg){ addr, len };
	*u = (struct uio){ .seg = one, .nsegs = 1, .left = len };
}

void uio_init_kernel(struct uio *u, struct uio_seg *one, void *buf, uint64_t len)
{
	uio_init_user(u, one, (uintptr_t)buf, len);
	u->kernel = true;
}

static int copy_piece(struct uio *u, uint64_t addr, void *mine, size_t n, bool out)
{
	if (u->kernel) {
		void *there = (void *)(uintptr_t)addr;

		memcpy(out ? there : mine, out ? mine : there, n);
		return 0;
	}
	return out ? copy_to_user(addr, mine, n) : copy_from_user(mine, addr, n);
}

/* The same again after a fault, page by page: bytes in front of the page that faults. */
static size_t copy_up_to_fault(struct uio *u, uint64_t addr, uint8_t *mine, size_t n, bool out)
{
	size_t done = 0;

	while (done < n) {
		size_t len = KMIN(n - done, PAGE_SIZE - (addr + done) % PAGE_SIZE);

		if (copy_piece(u, addr + done, mine + done, len, out))
			break;
		done += len;
	}
	return done;
}

static ssize_t_k uio_copy(struct uio *u, uint8_t *mine, size_t n, bool out, bool part)
{
	bool fault = false;
	size_t done = 0;

	while (done < n && u->left && !fault) {
		size_t want = KMIN(n - done, u->seg->len - u->seg_off), len = want;
		uint64_t addr = u->seg->addr + u->seg_off;

		if (len && copy_piece(u, addr, mine + done, len, out)) {
			len = part ? copy_up_to_fault(u, addr, mine + done, len, out) : 0;
			fault = len < want;
		}
		done += len;
		u->left -= len;
		u->seg_off += len;
		if (u->seg_off == u->seg->len) {
			u->seg++;
			u->seg_off = 0;
		}
	}
	return fault && !done ? -EFAULT : (ssize_t_k)done;
}

ssize_t_k uio_copy_in(void *dst, struct uio *u, size_t n)
{
	return uio_copy(u, dst, n, false, false);
}

ssize_t_k uio_copy_out(struct uio *u, const void *src, size_t n)
{
	return uio_copy(u, (uint8_t *)src, n, true, false);
}

ssize_t_k uio_copy_in_part(void *dst, struct uio *u, size_t n)
{
	return uio_copy(u, dst, n, false, true);
}

ssize_t_k uio_copy_out_part(struct uio *u, const void *src, size_t n)
{
	return uio_copy(u, (uint8_t *)src, n, true, true);
}
