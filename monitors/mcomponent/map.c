// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shape of an address space: create, fork, exit, mmap, munmap, mprotect, mremap, brk, madvise.
 * Semantics are those of the system calls of the same names in section 2 of the manual. Whether
 * the rack has the memory is for the pComponent to find out, which may ask GMM.
 */
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/random.h>
#include <kern/string.h>
#include <linux/mman.h>
#include <proto/mem.h>
#include "far.h"
#include "server.h"
#include "space.h"

#define PROT_ALL (MEM_READ | MEM_WRITE | MEM_EXEC)

static bool range_ok(uint64_t addr, uint64_t len)
{
	return addr % PAGE_SIZE == 0 && len && len <= SPACE_TOP && addr >= SPACE_BOTTOM &&
	       addr <= SPACE_TOP - len;
}

/* ---- create, fork, exit ---- */

static int op_create(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	struct space *s = space_create(from);
	struct mem_as_reply out;

	if (!s)
		return -ENOMEM;
	out.as = le64(space_handle(s));
	REPLY(r, out);
	return 0;
}

static int op_fork(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct mem_as *m = msg;
	struct space *s = space_find(le64_get(m->as), from), *child;
	struct mem_as_reply out;

	if (!s)
		return -ESRCH;
	child = space_fork(s);
	if (!child)
		return -ENOMEM;
	out.as = le64(space_handle(child));
	REPLY(r, out);
	return 0;
}

static int op_exit(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct mem_as *m = msg;
	struct space *s = space_find(le64_get(m->as), from);

	if (!s)
		return -ESRCH;
	space_destroy(s);
	return 0;
}

/* May more bytes be mapped? limit: what the space may have then. */
static int check_limit(struct space *s, uint64_t more, uint64_t limit)
{
	uint64_t mapped = 0;
	struct vma *v;

	if (limit == UINT64_MAX)
		return 0;
	for (v = vma_first_from(&s->vmas, 0); v; v = vma_next(v))
		mapped += v->end - v->start;
	return mapped + more <= limit ? 0 : -ENOMEM;
}

/* ---- munmap, mprotect, madvise(DONTNEED) ---- */

static int unmap_range(struct space *s, uint64_t start, uint64_t end)
{
	int err = vma_split_at(&s->vmas, start, end);

	if (!err)
		err = space_unmap(s, start, end);
	if (!err)
		vma_remove(&s->vmas, start, end);
	return err;
}

static int decode_range(fit_node_t from, const struct mem_range *m, struct space **s,
			uint64_t *start, uint64_t *end)
{
	uint64_t len = ROUND_UP(le64_get(m->len), PAGE_SIZE);

	*start = le64_get(m->addr);
	*s = space_find(le64_get(m->as), from);
	if (!*s)
		return -ESRCH;
	if (!range_ok(*start, len))
		return -EINVAL;
	*end = *start + len;
	return 0;
}

static int op_munmap(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	struct space *s;
	uint64_t start, end;
	int err = decode_range(from, msg, &s, &start, &end);

	return err ? err : unmap_range(s, start, end);
}

/* Where the mapped range that begins at start ends, at most end. */
static uint64_t mapped_until(struct space *s, uint64_t start, uint64_t end)
{
	for (struct vma *v; start < end; start = v->end) {
		v = vma_find(&s->vmas, start);
		if (!v)
			return start;
	}
	return end;
}

static int protect_range(struct space *s, uint64_t start, uint64_t end, uint32_t prot)
{
	struct vma *v;
	int err;

	for (v = vma_find(&s->vmas, start); v && v->start < end; v = vma_next(v))
		if (v->shared && v->inode && !v->file_writable && (prot & MEM_WRITE))
			return -EACCES;
	err = vma_split_at(&s->vmas, start, end);
	if (err)
		return err;
	for (v = vma_find(&s->vmas, start); v && v->start < end; v = vma_next(v))
		v->prot = prot;
	vma_merge(&s->vmas, start, end);
	return 0;
}

static int op_mprotect(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct mem_range *m = msg;
	struct space *s;
	uint64_t start, end, until;
	int err = decode_range(from, m, &s, &start, &end);

	if (err)
		return err;
	if (le32_get(m->prot) & ~PROT_ALL)
		return -EINVAL;
	until = mapped_until(s, start, end);
	err = until > start ? protect_range(s, start, until, le32_get(m->prot)) : 0;
	return !err && until < end ? -ENOMEM : err;
}

static int op_dontneed(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	struct space *s;
	uint64_t start, end;
	int err = decode_range(from, msg, &s, &start, &end);

	if (err)
		return err;
	err = space_unmap(s, start, end);
	return !err && mapped_until(s, start, end) == end ? 0 : -ENOMEM;
}

static int op_mapped(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	struct space *s;
	uint64_t start, end;
	int err = decode_range(from, msg, &s, &start, &end);

	return !err && mapped_until(s, start, end) < end ? -ENOMEM : err;
}

static int op_areas(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	struct mem_areas_reply *out = (void *)r->head;
	struct space *s;
	struct vma *v;
	uint64_t start, end;
	uint32_t n = 0;
	int err = decode_range(from, msg, &s, &start, &end);

	static_assert(sizeof(*out) + MEM_AREAS_MAX * sizeof(out->area[0]) <= FIT_MSG_MAX, "fits");
	if (err)
		return err;
	for (v = vma_first_from(&s->vmas, start); v && v->start < end; v = vma_next(v)) {
		bool elsewhere = !vma_is_private_anon(v);

		if (n == MEM_AREAS_MAX)
			break;
		out->area[n++] = (struct mem_area){
			le64(KMAX(v->start, start)), le64(KMIN(v->end, end)), le32(v->prot),
			le32((v->shared ? MEM_AREA_SHARED : 0) |
			     (elsewhere ? MEM_AREA_ELSEWHERE : 0)) };
	}
	out->next = le64(v && v->start < end ? v->start : 0);
	out->n = le32(n);
	out->pages = le32(space_has_pages(s, start, end));
	r->len = sizeof(*out) + n * sizeof(out->area[0]);
	return 0;
}

/* ---- mmap ---- */

static int mmap_decode(fit_node_t from, const struct mem_mmap *m, struct space **s, struct vma *v)
{
	uint32_t flags = le32_get(m->flags), type = flags & MAP_TYPE;
	uint64_t len = ROUND_UP(le64_get(m->len), PAGE_SIZE), off = le64_get(m->off);
	uint32_t how = le32_get(m->how);

	*s = space_find(le64_get(m->as), from);
	if (!*s)
		return -ESRCH;
	if (!le64_get(m->len) || off % PAGE_SIZE || (le32_get(m->prot) & ~PROT_ALL))
		return -EINVAL;
	if (!len || len > SPACE_TOP)
		return -ENOMEM;
	if (type != MAP_PRIVATE && type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if ((how & ~MEM_MMAP_ELSEWHERE) || (how && !(flags & MAP_ANONYMOUS)))
		return -EINVAL;
	*v = (struct vma){ .prot = le32_get(m->prot), .shared = type != MAP_PRIVATE,
			   .pgoff = off / PAGE_SIZE, .elsewhere = how & MEM_MMAP_ELSEWHERE };
	if (flags & MAP_ANONYMOUS) {
		v->pgoff = 0;
	} else {
		int err = far_find(le64_get(m->file), &v->inode);

		if (err)
			return err;
		if (!S_ISREG(v->inode->mode))
			return -ENODEV;
		v->file_writable = le32_get(m->file_writable) != 0;
		if (v->shared && (v->prot & MEM_WRITE) && !v->file_writable)
			return -EACCES;
	}
	return 0;
}

static int mmap_place(struct space *s, const struct mem_mmap *m, struct vma *v)
{
	uint64_t len = ROUND_UP(le64_get(m->len), PAGE_SIZE), addr = le64_get(m->addr);
	uint32_t flags = le32_get(m->flags);

	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (addr % PAGE_SIZE)
			return -EINVAL;
		if (!range_ok(addr, len))
			return addr < SPACE_BOTTOM ? -EPERM : -ENOMEM;
		if ((flags & MAP_FIXED_NOREPLACE) && !vma_range_free(&s->vmas, addr, addr + len))
			return -EEXIST;
	} else {
		addr = ROUND_DOWN(addr, PAGE_SIZE);
		if (!range_ok(addr, len) || !vma_range_free(&s->vmas, addr, addr + len))
			addr = vma_find_gap(&s->vmas, len, SPACE_BOTTOM, s->mmap_top);
		if (!addr)
			return -ENOMEM;
	}
	v->start = addr;
	v->end = addr + len;
	return 0;
}

static int op_mmap(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct mem_mmap *m = msg;
	struct space *s;
	struct vma v;
	struct mem_addr out;
	int err = mmap_decode(from, msg, &s, &v);

	if (!err)
		err = mmap_place(s, msg, &v);
	if (!err)
		err = check_limit(s, v.end - v.start, le64_get(m->limit));
	if (err)
		return err;
	if (v.shared && !v.inode && !v.elsewhere) {
		v.anon = shared_anon_create();
		if (!v.anon)
			return -ENOMEM;
	}
	err = unmap_range(s, v.start, v.end);
	if (!err)
		err = vma_insert(&s->vmas, &v);
	if (v.anon)
		shared_anon_put(v.anon);
	if (err)
		return err;
	out.addr = le64(v.start);
	REPLY(r, out);
	return 0;
}

/* ---- mremap ---- */

static int mremap_grow_in_place(struct space *s, struct vma *v, uint64_t old_end, uint64_t new_end)
{
	struct vma grown = *v;

	if (v->end != old_end || new_end > SPACE_TOP || !vma_range_free(&s->vmas, old_end, new_end))
		return -ENOMEM;
	grown.pgoff += (old_end - v->start) / PAGE_SIZE;
	grown.start = old_end;
	grown.end = new_end;
	return vma_insert(&s->vmas, &grown);
}

static int mremap_move(struct space *s, struct vma *v, uint64_t old, uint64_t old_len,
		       uint64_t to, uint64_t new_len)
{
	struct vma moved = *v;
	int err;

	moved.pgoff += (old - v->start) / PAGE_SIZE;
	moved.start = to;
	moved.end = to + new_len;
	err = unmap_range(s, to, to + new_len);
	if (!err)
		err = space_move(s, old, KMIN(old_len, new_len), to);
	if (!err)
		err = vma_insert(&s->vmas, &moved);
	return err ? err : unmap_range(s, old, old + old_len);
}

static int op_mremap(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct mem_mremap *m = msg;
	struct space *s = space_find(le64_get(m->as), from);
	uint64_t old = le64_get(m->old_addr), to = le64_get(m->new_addr);
	uint64_t old_len = ROUND_UP(le64_get(m->old_len), PAGE_SIZE);
	uint64_t new_len = ROUND_UP(le64_get(m->new_len), PAGE_SIZE);
	uint32_t flags = le32_get(m->flags);
	struct mem_addr out = { le64(old) };
	struct vma *v;
	int err = 0;

	if (!s)
		return -ESRCH;
	if (!range_ok(old, old_len) || !new_len || new_len > SPACE_TOP ||
	    (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)))
		return -EINVAL;
	if (flags & MREMAP_FIXED) {
		if (!(flags & MREMAP_MAYMOVE) || !range_ok(to, new_len) ||
		    (to < old + old_len && old < to + new_len))
			return -EINVAL;
	}
	v = vma_find(&s->vmas, old);
	if (!v || v->end < old + old_len)
		return -EFAULT;
	if (new_len > old_len)
		err = check_limit(s, new_len - old_len, le64_get(m->limit));
	if (err)
		return err;
	if (!(flags & MREMAP_FIXED)) {
		if (new_len <= old_len) {
			if (new_len < old_len)
				err = unmap_range(s, old + new_len, old + old_len);
			goto done;
		}
		err = mremap_grow_in_place(s, v, old + old_len, old + new_len);
		if (!err || !(flags & MREMAP_MAYMOVE))
			goto done;
		to = vma_find_gap(&s->vmas, new_len, SPACE_BOTTOM, s->mmap_top);
		if (!to)
			return -ENOMEM;
	}
	err = mremap_move(s, v, old, old_len, to, new_len);
	out.addr = le64(to);
done:
	if (!err)
		REPLY(r, out);
	return err;
}

/* ---- brk ---- */

static int op_brk(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct mem_brk *m = msg;
	struct space *s = space_find(le64_get(m->as), from);
	uint64_t want = le64_get(m->addr), old_end, new_end;
	struct mem_addr out;
	int err = 0;

	if (!s)
		return -ESRCH;
	old_end = ROUND_UP(s->brk, PAGE_SIZE);
	new_end = ROUND_UP(want, PAGE_SIZE);
	if (want >= s->brk_start && want < SPACE_TOP) {
		if (new_end < old_end)
			err = unmap_range(s, new_end, old_end);
		else if (new_end > old_end && (!vma_range_free(&s->vmas, old_end, new_end) ||
			 check_limit(s, new_end - old_end, le64_get(m->limit))))
			err = -ENOMEM;
		else if (new_end > old_end)
			err = vma_insert(&s->vmas, &(struct vma){ .start = old_end, .end = new_end,
				.prot = MEM_READ | MEM_WRITE });
		if (!err)
			s->brk = want;
	}
	out.addr = le64(s->brk); /* as brk(2) in the kernel: failure is an unchanged break */
	REPLY(r, out);
	return 0;
}

const struct op map_ops[] = {
	{ OP_MEM_CREATE, 0, op_create, "create" },
	{ OP_MEM_FORK, sizeof(struct mem_as), op_fork, "fork" },
	{ OP_MEM_EXIT, sizeof(struct mem_as), op_exit, "exit" },
	{ OP_MEM_MMAP, sizeof(struct mem_mmap), op_mmap, "mmap" },
	{ OP_MEM_MUNMAP, sizeof(struct mem_range), op_munmap, "munmap" },
	{ OP_MEM_MPROTECT, sizeof(struct mem_range), op_mprotect, "mprotect" },
	{ OP_MEM_DONTNEED, sizeof(struct mem_range), op_dontneed, "dontneed" },
	{ OP_MEM_AREAS, sizeof(struct mem_range), op_areas, "areas" },
	{ OP_MEM_MAPPED, sizeof(struct mem_range), op_mapped, "mapped" },
	{ OP_MEM_MREMAP, sizeof(struct mem_mremap), op_mremap, "mremap" },
	{ OP_MEM_BRK, sizeof(struct mem_brk), op_brk, "brk" },
	{ 0, 0, NULL, NULL },
};
