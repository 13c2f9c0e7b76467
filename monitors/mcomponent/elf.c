// SPDX-License-Identifier: GPL-2.0-only
/*
 * ELF loader (System V gABI, x86-64 psABI): checks the whole header first, then maps PT_LOAD
 * segments of the program and of its interpreter as private file mappings, the zero-filled rest as
 * private anonymous memory, and a stack. The page in which file bytes end and zeroes begin is
 * copied here, since no mapping can express it. argv, environment and auxv are the pComponent's to
 * write.
 *
 * Errors are execve(2)'s, in Linux's order: what is wrong with the headers of program or
 * interpreter is an errno; what shows only when segments are mapped comes when the old program
 * would be gone on Linux, and so is a status with which the new one dies.
 *
 * Left out: PT_GNU_STACK (the stack is never executable), ELF32, other machines, overlapping
 * segments.
 */
#include <kern/mm.h>
#include <kern/random.h>
#include <kern/string.h>
#include <linux/elf.h>
#include <kern/mode.h>
#include <proto/mem.h>
#include "far.h"
#include "path.h"
#include "server.h"
#include "space.h"

#define PHNUM_MAX (65536 / sizeof(Elf64_Phdr))
#define STACK_MIN (128ULL << 10)
#define STACK_MAX (1ULL << 30)
#define STACK_GAP (1ULL << 20)
#define PIE_BASE 0x0000555555554000ULL
#define ASLR_PAGES (1ULL << 22)
#define BRK_PAGES 8192               /* the heap starts up to 32 MiB behind the program */
#define OFFSET_MAX (1ULL << 63)      /* in a file */
#define ALIGN_MAX (1ULL << 40)

struct image {
	struct inode *file;
	Elf64_Ehdr eh;
	Elf64_Phdr ph[PHNUM_MAX];
	uint64_t low, high;  /* page-aligned range of all segments, before the bias */
	uint64_t bias;
	uint64_t align;      /* largest p_align that is a power of two */
	uint64_t end_file;   /* end of the last segment, with the bias: the heap starts there */
};

struct loading {
	struct space *s;
	uint64_t stack_size;
	bool fixed;          /* no random addresses */
	struct mem_exec_reply *out;
};

/* ---- decode ---- */

static bool header_ok(const Elf64_Ehdr *eh)
{
	/* as Linux, which does not look at class and byte order: the machine says both */
	return !memcmp(eh->e_ident, ELFMAG, SELFMAG) && eh->e_machine == EM_X86_64 &&
	       (eh->e_type == ET_EXEC || eh->e_type == ET_DYN) &&
	       eh->e_phentsize == sizeof(Elf64_Phdr) && eh->e_phnum && eh->e_phnum <= PHNUM_MAX;
}

/* 0; small: the file ends before; any other error is the read's, JOB_PARKED among them. */
static int read_exactly(struct inode *file, uint64_t off, void *buf, size_t n, int small)
{
	ssize_t_k got = off > OFFSET_MAX ? 0 : inode_read(file, off, buf, n);

	return got < 0 ? (int)got : (size_t)got == n ? 0 : small;
}

/*
 * Reads the page of each segment of which map_partial_page() copies a part, so that mapping, which
 * cannot be done twice, need not wait for a file.
 */
static int image_touch(const struct image *im)
{
	int err = 0;

	for (unsigned i = 0; i < im->eh.e_phnum && !err; i++) {
		const Elf64_Phdr *p = &im->ph[i];
		char c;

		if (p->p_type == PT_LOAD && p->p_filesz && p->p_memsz > p->p_filesz)
			err = read_exactly(im->file, p->p_offset + p->p_filesz - 1, &c, 1, 0);
	}
	return err;
}

/* Reads the headers. bad: the errno of headers that are wrong; small: of a file too short. */
static int image_decode(struct image *im, struct inode *file, int bad, int small)
{
	int err;

	im->file = file;
	if (!S_ISREG(file->mode))
		return -EACCES;
	err = read_exactly(file, 0, &im->eh, sizeof(im->eh), small);
	if (!err && !header_ok(&im->eh))
		err = bad;
	if (!err)
		err = read_exactly(file, im->eh.e_phoff, im->ph,
				   im->eh.e_phnum * sizeof(Elf64_Phdr), bad);
	return err ? err : image_touch(im);
}

/* The segments fit into a space and the file; sets low, high and align. */
static int image_measure(struct image *im)
{
	im->low = UINT64_MAX;
	im->high = 0;
	im->align = PAGE_SIZE;
	for (unsigned i = 0; i < im->eh.e_phnum; i++) {
		const Elf64_Phdr *p = &im->ph[i];

		if (p->p_type != PT_LOAD)
			continue;
		if (p->p_filesz > p->p_memsz || p->p_vaddr >= SPACE_TOP ||
		    p->p_memsz > SPACE_TOP - p->p_vaddr || p->p_offset > OFFSET_MAX ||
		    p->p_vaddr % PAGE_SIZE != p->p_offset % PAGE_SIZE)
			return -EINVAL;
		im->low = KMIN(im->low, ROUND_DOWN(p->p_vaddr, PAGE_SIZE));
		im->high = KMAX(im->high, ROUND_UP(p->p_vaddr + p->p_memsz, PAGE_SIZE));
		if (p->p_align && !(p->p_align & (p->p_align - 1)) && p->p_align < ALIGN_MAX)
			im->align = KMAX(im->align, p->p_align);
	}
	return im->low < im->high ? 0 : -EINVAL;
}

/* The path in PT_INTERP, walked to; NULL with the error. */
static struct inode *walk_to_interpreter(const struct image *im, const Elf64_Phdr *p,
					 uint64_t base, int *err)
{
	char path[FILE_PATH_MAX];
	struct inode *found = NULL, *from;
	struct walk *w;

	*err = -ENOEXEC;
	if (p->p_filesz < 2 || p->p_filesz > sizeof(path))
		return NULL;
	*err = read_exactly(im->file, p->p_offset, path, p->p_filesz, -EIO);
	if (!*err && path[p->p_filesz - 1])
		*err = -ENOEXEC;
	if (*err)
		return NULL;
	if (inode_is_far(im->file)) {
		*err = far_walk(im->file, base, path, &found);
		if (!*err)
			inode_get(found);
		return found;
	}
	from = inode_by_object(base);
	if (!from)
		from = inode_root();
	w = kmalloc(sizeof(*w));
	*err = w ? walk_path(w, from, path, strlen(path), (struct cred){ .uid = 0 },
			     WALK_FOLLOW) : -ENOMEM;
	if (!*err) {
		found = w->inode;
		if (found)
			inode_get(found);
		else
			*err = -ENOENT;
		walk_end(w);
	}
	kfree(w);
	return found;
}

/* The interpreter the program wants, referenced; NULL with *err 0: none. */
static struct inode *find_interpreter(const struct image *im, uint64_t base, int *err)
{
	*err = 0;
	for (unsigned i = 0; i < im->eh.e_phnum; i++)
		if (im->ph[i].p_type == PT_INTERP)
			return walk_to_interpreter(im, &im->ph[i], base, err);
	return NULL;
}

/* ---- commit ---- */

static uint32_t segment_prot(const Elf64_Phdr *p)
{
	/* x86-64 has nothing that can be written or executed and not read */
	return (p->p_flags & (PF_R | PF_W | PF_X) ? MEM_READ : 0) |
	       (p->p_flags & PF_W ? MEM_WRITE : 0) | (p->p_flags & PF_X ? MEM_EXEC : 0);
}

/*
 * A private copy of the page at addr whose first `keep` bytes come from the file, as far as it has
 * them; of a page that begins behind the file's end there is nothing to copy.
 */
static int map_partial_page(struct space *s, struct inode *file, uint64_t addr, uint64_t index,
			    size_t keep)
{
	static uint64_t next = 1;
	struct page *p;
	void *bytes;
	int err = -ENOMEM;

	if (index * PAGE_SIZE >= file->size)
		return 0;
	keep = KMIN(keep, file->size - index * PAGE_SIZE);
	p = page_create((struct line_id){ page_object(OBJ_LOADER, 0), next++ });
	bytes = p ? page_bytes(p) : NULL;
	if (bytes) {
		err = read_exactly(file, index * PAGE_SIZE, bytes, keep, -EFAULT);
		if (!err)
			err = space_map(s, addr, p);
	}
	if (p)
		page_put(p);
	return err;
}

static int map_bss(struct space *s, uint64_t start, uint64_t end, uint32_t prot,
		   struct mem_exec_reply *out)
{
	uint32_t n = le32_get(out->ngrants);
	struct mm_stats mm;

	if (start >= end)
		return 0;
	mm_stats(&mm);
	if (n == ARRAY_SIZE(out->grant) || (end - start) / PAGE_SIZE > mm.total_pages)
		return -ENOMEM;
	out->grant[n] = (struct mem_grant){ le64(start), le64(end), le32(prot), le32(0) };
	out->ngrants = le32(n + 1);
	return vma_insert(&s->vmas, &(struct vma){ .start = start, .end = end, .prot = prot });
}

/* What the file shows from start to end, but for a last page that is a private copy. */
static void tell_view(struct image *im, const Elf64_Phdr *p, uint64_t start, uint64_t end,
		      struct mem_exec_reply *out)
{
	uint32_t n = le32_get(out->nviews);

	if (start >= end || n == ARRAY_SIZE(out->view))
		return;
	out->view[n] = (struct mem_view){
		.start = le64(start), .end = le64(end), .object = le64(page_wire(im->file->object)),
		.index = le64(ROUND_DOWN(p->p_offset, PAGE_SIZE) / PAGE_SIZE),
		.prot = le32(segment_prot(p)) };
	out->nviews = le32(n + 1);
}

static int map_segment(struct space *s, struct image *im, const Elf64_Phdr *p,
		       struct mem_exec_reply *out)
{
	uint64_t start = ROUND_DOWN(p->p_vaddr, PAGE_SIZE) + im->bias;
	uint64_t file_end = p->p_vaddr + p->p_filesz + im->bias;
	uint64_t mem_end = p->p_vaddr + p->p_memsz + im->bias;
	uint64_t mapped_end = p->p_filesz ? ROUND_UP(file_end, PAGE_SIZE) : start;
	uint32_t prot = segment_prot(p);
	/* where nobody may write, Linux leaves what the file has behind the segment */
	bool partial = p->p_filesz && mem_end > file_end && file_end % PAGE_SIZE &&
		       (prot & MEM_WRITE);
	int err = 0;

	if (!vma_range_free(&s->vmas, start, ROUND_UP(mem_end, PAGE_SIZE)))
		return -EEXIST; /* overlapping segments */
	if (mapped_end > start)
		err = vma_insert(&s->vmas, &(struct vma){ .start = start, .end = mapped_end,
			.prot = prot, .inode = im->file,
			.pgoff = ROUND_DOWN(p->p_offset, PAGE_SIZE) / PAGE_SIZE });
	tell_view(im, p, start, partial ? mapped_end - PAGE_SIZE : mapped_end, out);
	if (!err && partial)
		err = map_partial_page(s, im->file, ROUND_DOWN(file_end, PAGE_SIZE),
				       (p->p_offset + p->p_filesz) / PAGE_SIZE,
				       file_end % PAGE_SIZE);
	if (!err)
		err = map_bss(s, mapped_end, ROUND_UP(mem_end, PAGE_SIZE), prot, out);
	im->end_file = KMAX(im->end_file, mem_end);
	return err;
}

static int image_map(struct space *s, struct image *im, struct mem_exec_reply *out)
{
	int err = 0;

	im->end_file = 0;
	for (unsigned i = 0; i < im->eh.e_phnum && !err; i++)
		if (im->ph[i].p_type == PT_LOAD && im->ph[i].p_memsz)
			err = map_segment(s, im, &im->ph[i], out);
	return err;
}

static void describe(const struct image *im, struct mem_exec_reply *out)
{
	uint64_t phdr = 0;

	out->program_entry = le64(im->eh.e_entry + im->bias);
	out->entry = out->program_entry;
	out->phnum = le32(im->eh.e_phnum);
	out->phent = le32(sizeof(Elf64_Phdr));
	for (unsigned i = 0; i < im->eh.e_phnum; i++) {
		const Elf64_Phdr *p = &im->ph[i];

		if (p->p_type != PT_LOAD)
			continue;
		if (im->eh.e_phoff >= p->p_offset && im->eh.e_phoff < p->p_offset + p->p_filesz)
			phdr = im->eh.e_phoff - p->p_offset + p->p_vaddr + im->bias;
		if (p->p_flags & PF_X) {
			out->start_code = le64(p->p_vaddr + im->bias);
			out->end_code = le64(p->p_vaddr + p->p_filesz + im->bias);
		} else if (p->p_flags & PF_W) {
			out->start_data = le64(p->p_vaddr + im->bias);
			out->end_data = le64(p->p_vaddr + p->p_filesz + im->bias);
		}
	}
	out->phdr = le64(phdr);
}

static uint64_t random_pages(const struct loading *l, uint64_t n)
{
	return l->fixed ? 0 : random_u64() % n * PAGE_SIZE;
}

static int map_stack(struct loading *l)
{
	uint64_t high = SPACE_TOP - PAGE_SIZE - random_pages(l, ASLR_PAGES);
	uint64_t size = KMIN(ROUND_DOWN(l->stack_size, PAGE_SIZE), STACK_MAX);
	uint64_t low = high - KMAX(size, STACK_MIN);

	l->out->stack_low = le64(low);
	l->out->stack_high = le64(high);
	l->s->mmap_top = low - STACK_GAP - random_pages(l, ASLR_PAGES);
	return vma_insert(&l->s->vmas, &(struct vma){ .start = low, .end = high,
		.prot = MEM_READ | MEM_WRITE, .grows_down = true });
}

static int map_interpreter(struct loading *l, struct image *im)
{
	uint64_t base;
	int err = image_measure(im);

	if (err)
		return err;
	base = im->low;
	if (im->eh.e_type == ET_DYN || base < SPACE_BOTTOM ||
	    !vma_range_free(&l->s->vmas, base, im->high))
		base = vma_find_gap(&l->s->vmas, im->high - im->low, SPACE_BOTTOM, l->s->mmap_top);
	if (!base)
		return -ENOMEM;
	im->bias = base - im->low;
	err = image_map(l->s, im, l->out);
	l->out->entry = le64(im->eh.e_entry + im->bias);
	l->out->interp_base = le64(im->bias);
	return err;
}

static int load(struct loading *l, struct image *im, struct image *interp)
{
	int err = image_measure(im);

	if (!err)
		err = map_stack(l);
	if (err)
		return err;
	im->bias = 0;
	if (im->eh.e_type == ET_DYN)
		im->bias = ROUND_DOWN(PIE_BASE + random_pages(l, ASLR_PAGES), im->align) -
			ROUND_DOWN(im->low, im->align);
	if (im->low + im->bias < SPACE_BOTTOM || im->high + im->bias > SPACE_TOP)
		return -EINVAL;
	err = image_map(l->s, im, l->out);
	if (err)
		return err;
	describe(im, l->out);
	l->s->brk_start = l->s->brk = ROUND_UP(im->end_file, PAGE_SIZE) +
		random_pages(l, BRK_PAGES);
	l->out->brk = le64(l->s->brk);
	return interp->file ? map_interpreter(l, interp) : 0;
}

static int op_exec(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	static struct image im, interp; /* one loop thread; too large for its stack */
	const struct mem_exec *m = msg;
	struct inode *file, *ld;
	struct mem_exec_reply out = { 0 };
	struct loading l = { .s = space_find(le64_get(m->as), from), .out = &out,
			     .stack_size = le64_get(m->stack_size),
			     .fixed = le32_get(m->flags) & MEM_EXEC_FIXED };
	int err;

	if (!l.s)
		return -ESRCH;
	err = far_find(le64_get(m->file), &file);
	if (err)
		return err == -EBADF ? -ENOENT : err;
	if (vma_first_from(&l.s->vmas, 0))
		return -EBUSY; /* not an empty space */
	err = image_decode(&im, file, -ENOEXEC, -ENOEXEC);
	if (err)
		return err;
	ld = find_interpreter(&im, le64_get(m->base), &err);
	if (err)
		return err;
	interp.file = NULL;
	if (ld) /* that the program may be executed is known to the caller */
		err = ld->mode & 0111 ? image_decode(&interp, ld, -ELIBBAD, -EIO) : -EACCES;
	if (!err)
		out.status = le32((uint32_t)-load(&l, &im, &interp));
	if (ld)
		inode_put(ld);
	if (err)
		return err;
	REPLY(r, out);
	return 0;
}

const struct op exec_ops[] = {
	{ OP_MEM_EXEC, sizeof(struct mem_exec), op_exec, "exec" },
	{ 0, 0, NULL, NULL },
};
