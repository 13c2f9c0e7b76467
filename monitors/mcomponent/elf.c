// SPDX-License-Identifier: GPL-2.0-only
/*
 * ELF loader (System V gABI, x86-64 psABI): checks the whole header first, then maps PT_LOAD
 * segments of the program and of its interpreter as private file mappings, the zero-filled rest as
 * private anonymous memory, and a stack. The page in which file bytes end and zeroes begin is
 * copied here, since no mapping can express it. argv, environment and auxv are the pComponent's to
 * write.
 *
 * Left out: PT_GNU_STACK (the stack is never executable), ELF32, other machines.
 */
#include <kern/mm.h>
#include <kern/random.h>
#include <kern/string.h>
#include <linux/elf.h>
#include <kern/mode.h>
#include <proto/mem.h>
#include "path.h"
#include "server.h"
#include "space.h"

#define PHNUM_MAX 64
#define STACK_SIZE (8ULL << 20)      /* RLIMIT_STACK's usual default */
#define STACK_GAP (1ULL << 20)
#define PIE_BASE 0x0000555555554000ULL
#define ASLR_PAGES (1ULL << 22)

struct image {
	struct inode *file;
	Elf64_Ehdr eh;
	Elf64_Phdr ph[PHNUM_MAX];
	uint64_t low, high;  /* page-aligned range of all segments, before the bias */
	uint64_t bias;
	uint64_t end_file;   /* end of the last segment, with the bias: the heap starts there */
};

/* ---- decode ---- */

static int check_header(const Elf64_Ehdr *eh)
{
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG))
		return -ENOEXEC;
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh->e_machine != EM_X86_64 || (eh->e_type != ET_EXEC && eh->e_type != ET_DYN) ||
	    eh->e_phentsize != sizeof(Elf64_Phdr) || !eh->e_phnum || eh->e_phnum > PHNUM_MAX)
		return -ENOEXEC;
	return 0;
}

static int check_segment(const Elf64_Phdr *p, uint64_t *low, uint64_t *high)
{
	if (p->p_filesz > p->p_memsz || p->p_vaddr >= SPACE_TOP ||
	    p->p_memsz > SPACE_TOP - p->p_vaddr || p->p_offset > (1ULL << 40) ||
	    p->p_vaddr % PAGE_SIZE != p->p_offset % PAGE_SIZE)
		return -ENOEXEC;
	*low = KMIN(*low, ROUND_DOWN(p->p_vaddr, PAGE_SIZE));
	*high = KMAX(*high, ROUND_UP(p->p_vaddr + p->p_memsz, PAGE_SIZE));
	return 0;
}

/* 0; -ENOEXEC: the file ends before; any other error is the read's, JOB_PARKED among them. */
static int read_exactly(struct inode *file, uint64_t off, void *buf, size_t n)
{
	ssize_t_k got = inode_read(file, off, buf, n);

	return got < 0 ? (int)got : (size_t)got == n ? 0 : -ENOEXEC;
}

/*
 * Reads the page of each segment of which map_partial_page() copies a part, so that mapping, which
 * cannot be done twice, need not wait for a file.
 */
static int image_touch(const struct image *im)
{
	int err = 0;

	for (unsigned i = 0; i < im->eh.e_phnum && err >= 0; i++) {
		const Elf64_Phdr *p = &im->ph[i];
		char c;

		if (p->p_type == PT_LOAD && p->p_filesz && p->p_memsz > p->p_filesz)
			err = (int)inode_read(im->file, p->p_offset + p->p_filesz - 1, &c, 1);
	}
	return err < 0 ? err : 0;
}

static int image_decode(struct image *im, struct inode *file)
{
	size_t size;
	int err;

	im->file = file;
	if (!S_ISREG(file->mode))
		return -EACCES;
	err = read_exactly(file, 0, &im->eh, sizeof(im->eh));
	if (err)
		return err;
	err = check_header(&im->eh);
	if (err)
		return err;
	size = im->eh.e_phnum * sizeof(Elf64_Phdr);
	if (im->eh.e_phoff > (1ULL << 40))
		return -ENOEXEC;
	err = read_exactly(file, im->eh.e_phoff, im->ph, size);
	if (err)
		return err;
	im->low = UINT64_MAX;
	im->high = 0;
	for (unsigned i = 0; i < im->eh.e_phnum && !err; i++)
		if (im->ph[i].p_type == PT_LOAD)
			err = check_segment(&im->ph[i], &im->low, &im->high);
	if (err)
		return err;
	return im->low < im->high ? image_touch(im) : -ENOEXEC;
}

/* The interpreter named by PT_INTERP, referenced; NULL with *err 0: none wanted. */
static struct inode *find_interpreter(const struct image *im, int *err)
{
	char path[FILE_PATH_MAX];
	struct inode *found = NULL;
	struct walk *w;

	*err = 0;
	for (unsigned i = 0; i < im->eh.e_phnum; i++) {
		const Elf64_Phdr *p = &im->ph[i];

		if (p->p_type != PT_INTERP)
			continue;
		*err = -ENOEXEC;
		if (p->p_filesz < 2 || p->p_filesz > sizeof(path))
			return NULL;
		*err = read_exactly(im->file, p->p_offset, path, p->p_filesz);
		if (!*err && path[p->p_filesz - 1])
			*err = -ENOEXEC;
		if (*err)
			return NULL;
		w = kmalloc(sizeof(*w));
		*err = w ? walk_path(w, inode_root(), path, strlen(path), (struct cred){ 0, 0 },
				     WALK_FOLLOW) : -ENOMEM;
		if (!*err) {
			found = w->inode;
			if (found)
				inode_get(found);
			walk_end(w);
		}
		kfree(w);
		if (!found && *err != -ENOMEM && *err != JOB_PARKED)
			*err = -ELIBBAD;
		return found;
	}
	return NULL;
}

/* ---- commit ---- */

static uint32_t segment_prot(const Elf64_Phdr *p)
{
	return (p->p_flags & PF_R ? MEM_READ : 0) | (p->p_flags & PF_W ? MEM_WRITE : 0) |
	       (p->p_flags & PF_X ? MEM_EXEC : 0);
}

/* A private copy of the page at addr whose first `keep` bytes come from the file. */
static int map_partial_page(struct space *s, struct inode *file, uint64_t addr, uint64_t index,
			    size_t keep)
{
	static uint64_t next = 1;
	struct page *p = page_create((struct line_id){ page_object(OBJ_LOADER, 0), next++ });
	void *bytes = p ? page_bytes(p) : NULL;
	int err = -ENOMEM;

	if (bytes) {
		ssize_t_k got = inode_read(file, index * PAGE_SIZE, bytes, keep);

		err = got < 0 ? -EIO : space_map(s, addr, p);
	}
	if (p)
		page_put(p);
	return err;
}

static int map_bss(struct space *s, uint64_t start, uint64_t end, uint32_t prot,
		   struct mem_exec_reply *out)
{
	uint32_t n = le32_get(out->ngrants);

	if (start >= end)
		return 0;
	if (n == ARRAY_SIZE(out->grant))
		return -ENOEXEC;
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
	bool partial = p->p_filesz && mem_end > file_end && file_end % PAGE_SIZE;
	uint32_t prot = segment_prot(p);
	int err = 0;

	if (!vma_range_free(&s->vmas, start, ROUND_UP(mem_end, PAGE_SIZE)))
		return -ENOEXEC; /* overlapping segments */
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

static int map_stack(struct space *s, struct mem_exec_reply *out)
{
	uint64_t high = SPACE_TOP - PAGE_SIZE - random_u64() % ASLR_PAGES * PAGE_SIZE;
	uint64_t low = high - STACK_SIZE;

	out->stack_low = le64(low);
	out->stack_high = le64(high);
	s->mmap_top = low - STACK_GAP - random_u64() % ASLR_PAGES * PAGE_SIZE;
	return vma_insert(&s->vmas, &(struct vma){ .start = low, .end = high,
		.prot = MEM_READ | MEM_WRITE, .grows_down = true });
}

static int map_interpreter(struct space *s, struct image *im, struct mem_exec_reply *out)
{
	uint64_t base;
	int err;

	if (im->eh.e_type != ET_DYN)
		return -ELIBBAD;
	base = vma_find_gap(&s->vmas, im->high - im->low, SPACE_BOTTOM, s->mmap_top);
	if (!base)
		return -ENOMEM;
	im->bias = base - im->low;
	err = image_map(s, im, out);
	out->entry = le64(im->eh.e_entry + im->bias);
	out->interp_base = le64(im->bias);
	return err;
}

static int load(struct space *s, struct image *im, struct image *interp, struct mem_exec_reply *out)
{
	int err;

	im->bias = im->eh.e_type == ET_DYN ?
		PIE_BASE + random_u64() % ASLR_PAGES * PAGE_SIZE - im->low : 0;
	if (im->low + im->bias < SPACE_BOTTOM)
		return -ENOEXEC;
	err = map_stack(s, out);
	if (!err)
		err = image_map(s, im, out);
	if (err)
		return err;
	describe(im, out);
	s->brk_start = s->brk = ROUND_UP(im->end_file, PAGE_SIZE) +
				random_u64() % 8192 * PAGE_SIZE;
	out->brk = le64(s->brk);
	return interp->file ? map_interpreter(s, interp, out) : 0;
}

static int op_exec(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	static struct image im, interp; /* one loop thread; too large for its stack */
	const struct mem_exec *m = msg;
	struct space *s = space_find(le64_get(m->as), from);
	struct inode *file = inode_by_object(le64_get(m->file)), *ld;
	struct mem_exec_reply out = { 0 };
	int err;

	if (!s)
		return -ESRCH;
	if (!file)
		return -ENOENT;
	if (vma_first_from(&s->vmas, 0))
		return -EBUSY; /* not an empty space */
	err = image_decode(&im, file);
	if (err)
		return err;
	ld = find_interpreter(&im, &err);
	if (err)
		return err;
	interp.file = NULL;
	if (ld)
		err = image_decode(&interp, ld);
	if (!err)
		err = load(s, &im, &interp, &out);
	if (ld)
		inode_put(ld);
	if (err)
		return err; /* the pComponent exits the space */
	REPLY(r, out);
	return 0;
}

const struct op exec_ops[] = {
	{ OP_MEM_EXEC, sizeof(struct mem_exec), op_exec, "exec" },
	{ 0, 0, NULL, NULL },
};
