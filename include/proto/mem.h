/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory: pComponent -> mComponent.
 *
 * An address space has a home mComponent, which owns its list of mappings, decides what mmap and
 * the like do, and has the pages of the regions that are its own. Other regions (ranges of a size
 * that only the pComponent knows) are kept by the mComponents that GMM chose for them: each of
 * those has a part of the space, made by MEM_CREATE, with a copy of the mappings in its regions
 * (ELSEWHERE: all but private anonymous ones) and the private pages there. The pComponent knows
 * which region is whose and tells each its share of every change, after the home.
 *
 * The pComponent caches 4-KiB lines. A line has an identity (object, index) that does not depend on
 * the address space it is seen through: file pages are (file object, page number); anonymous
 * pages are (anonymous object, number). Anonymous objects belong to one pComponent and the numbers
 * in them are chosen by it, so that first touch and copy-on-write need no round trip:
 *
 *   fresh     the pComponent made the line itself (zero-filled, or the copy of a COW line); the
 *             mComponent does not know the number yet
 *   bound     MEM_BIND or a write-back told it: (space, address) -> identity
 *   remote    the line was evicted: the pComponent's page table entry only says "ask"
 *
 * Fork: the pComponent first binds the parent's fresh lines, then MEM_FORK snapshots the page table
 * at the mComponent (pages shared, counted) while both sides' entries are write-protected at the
 * pComponent; no line is flushed. A write then makes a fresh copy at the pComponent; the mComponent
 * drops the old page's reference when the new number is bound at that address. A number is never
 * used twice. Write-backs carry a sequence number per line; an older one than the last stored is
 * ignored.
 */
#pragma once

#include <proto/fit.h>

struct proto_line {
	le64_t object; /* bits 48..63: home node; 0: none */
	le64_t index;
};

/* Handle of an address space: generation and slot, checked against the calling node. */
typedef le64_t proto_as_t;

/* Rights; same values as PROT_* of <linux/mman.h>. */
#define MEM_READ 1u
#define MEM_WRITE 2u
#define MEM_EXEC 4u

/*
 * Once after connecting. Reply: object in which this pComponent may choose numbers, and memory for
 * its write-backs.
 */
#define OP_MEM_HELLO PROTO_OP(PROTO_CLASS_MEM, 1)
struct mem_hello_reply {
	le64_t anon_object;
	struct proto_mr room; /* for MEM_WRITEBACK_MANY: MEM_ROOM_PIECES pieces; len 0: none */
};
#define MEM_ROOM_PIECES 4

/* New empty space. Reply: mem_as_reply. */
#define OP_MEM_CREATE PROTO_OP(PROTO_CLASS_MEM, 2)
struct mem_as_reply { proto_as_t as; };

/* Snapshot of a space. Reply: mem_as_reply. Request: mem_as. */
#define OP_MEM_FORK PROTO_OP(PROTO_CLASS_MEM, 3)
/* Frees it and every page only it holds. Request: mem_as. */
#define OP_MEM_EXIT PROTO_OP(PROTO_CLASS_MEM, 4)
struct mem_as { proto_as_t as; };

/*
 * Loads an ELF executable, and the interpreter it names, into an empty space: maps segments and a
 * stack. The pComponent writes argv, environment and auxv to the stack itself. Errors are those of
 * execve(2): -ENOEXEC (not for this machine), -ELIBBAD, -EIO and those of a path (interpreter).
 * What is found to be wrong after that, when execve cannot fail any more, is in status.
 */
#define OP_MEM_EXEC PROTO_OP(PROTO_CLASS_MEM, 5)
struct mem_exec {
	proto_as_t as;
	le64_t file;        /* file object as opened by FILE_OPEN */
	le64_t stack_size;  /* bytes to reserve for the stack */
	le64_t base;        /* working directory, for the interpreter's path */
	le32_t flags;       /* MEM_EXEC_* */
	le32_t reserved;
};
#define MEM_EXEC_FIXED 1u /* no random addresses (ADDR_NO_RANDOMIZE) */
struct mem_exec_reply {
	le64_t entry;       /* where to start: the interpreter's entry if there is one */
	le64_t program_entry; /* AT_ENTRY */
	le64_t phdr;        /* AT_PHDR, user address */
	le32_t phnum;
	le32_t phent;
	le64_t interp_base; /* AT_BASE, or 0 */
	le64_t brk;         /* start of the heap */
	le64_t stack_low, stack_high; /* private anonymous, grants MEM_READ|MEM_WRITE */
	le64_t start_code, end_code, start_data, end_data;
	/* private anonymous ranges mapped (bss): first touch is the pComponent's */
	le32_t ngrants;
	le32_t status;      /* errno for which the new program cannot run: it dies by SIGSEGV */
	struct mem_grant { le64_t start, end; le32_t prot; le32_t reserved; } grant[8];
	/* Private mappings of files: the page at addr is (object, index + (addr - start) / 4096)
	 * as long as nothing was bound there, so a cached line needs no miss. */
	le32_t nviews;
	le32_t reserved2;
	struct mem_view { le64_t start, end, object, index; le32_t prot; le32_t reserved; } view[8];
};

/*
 * mmap(2). file 0: anonymous. Reply: mem_addr. Private anonymous memory is first-touched by the
 * pComponent.
 */
#define OP_MEM_MMAP PROTO_OP(PROTO_CLASS_MEM, 6)
struct mem_mmap {
	proto_as_t as;
	le64_t addr, len;
	le32_t prot, flags; /* PROT_*, MAP_* */
	le64_t file, off;
	le32_t file_writable; /* opened for writing: a shared mapping may be */
	le32_t how;         /* MEM_MMAP_* */
	le64_t limit;       /* bytes that the space may have mapped then (RLIMIT_AS), or -ENOMEM */
};
/*
 * In a part of a space, for file mappings and shared ones (file is 0, all the same): only private
 * pages that were bound are here; a miss on another gets -EXDEV, for the home to answer.
 */
#define MEM_MMAP_ELSEWHERE 1u
struct mem_addr { le64_t addr; };

/*
 * munmap(2), mprotect(2), madvise(MADV_DONTNEED): the pComponent has dropped (or will drop before
 * it returns) its lines. -ENOMEM of the last two: there is a hole; mprotect has changed what lies
 * before it, DONTNEED everything. MAPPED only asks whether there is none.
 */
#define OP_MEM_MUNMAP PROTO_OP(PROTO_CLASS_MEM, 7)
#define OP_MEM_MPROTECT PROTO_OP(PROTO_CLASS_MEM, 8)
#define OP_MEM_DONTNEED PROTO_OP(PROTO_CLASS_MEM, 9)
struct mem_range {
	proto_as_t as;
	le64_t addr, len;
	le32_t prot;        /* MPROTECT */
	le32_t reserved;
};
/* mremap(2). Reply: mem_addr. The pComponent moves its entries. */
#define OP_MEM_MREMAP PROTO_OP(PROTO_CLASS_MEM, 10)
struct mem_mremap {
	proto_as_t as;
	le64_t old_addr, old_len, new_len, new_addr;
	le32_t flags;
	le32_t reserved;
	le64_t limit;       /* as in mem_mmap */
};
/* brk(2). Request addr 0: only asks. Reply: mem_addr, the break as it is now. */
#define OP_MEM_BRK PROTO_OP(PROTO_CLASS_MEM, 11)
struct mem_brk { proto_as_t as; le64_t addr; le64_t limit; };

/*
 * A miss. Reply: mem_fill_reply, with a 4-KiB line behind it when MEM_FILL_DATA is set.
 * -EFAULT: nothing mapped there or not with this access (SIGSEGV). -ENXIO: beyond the file's end
 * (SIGBUS). -EXDEV: ask the home. -ENOMEM.
 */
#define OP_MEM_FILL PROTO_OP(PROTO_CLASS_MEM, 12)
struct mem_fill {
	proto_as_t as;
	le64_t addr;        /* page aligned */
	le32_t access;      /* MEM_* wanted */
	le32_t flags;       /* MEM_FILL_RIGHTS: only rights, no data; MEM_FILL_ANY: for mremap,
			     * whatever the rights of the mapping are */
};
#define MEM_FILL_RIGHTS 1u
#define MEM_FILL_ANY 2u
struct mem_fill_reply {
	struct proto_line line; /* object 0 with MEM_FILL_FRESH */
	/* of the mapping, MEM_*; with MEM_FILL_COW a write needs a fresh copy */
	le32_t rights;
	le32_t flags;
	le64_t seq;         /* last write-back sequence stored for this line */
};
#define MEM_FILL_DATA 1u
#define MEM_FILL_COW 2u
#define MEM_FILL_FRESH 4u   /* private anonymous and never bound: zero-fill it yourself */
#define MEM_FILL_SHARED 8u  /* a MAP_SHARED mapping: fork does not make it copy-on-write */

/* Binds fresh lines at addresses, in runs. Body: n mem_bind_run. All or nothing. */
#define OP_MEM_BIND PROTO_OP(PROTO_CLASS_MEM, 13)
struct mem_bind_run {
	le64_t addr;
	le64_t index;       /* in the caller's anonymous object; consecutive */
	le32_t pages;
	le32_t reserved;
};
struct mem_bind {
	proto_as_t as;
	le32_t n;
	le32_t reserved;
	struct mem_bind_run run[];
};
#define MEM_BIND_MAX 160          /* runs in a message */
#define MEM_BIND_PAGES_MAX 65536  /* pages in all runs of a message */

#define OP_MEM_MAPPED PROTO_OP(PROTO_CLASS_MEM, 15) /* mem_range */

/* A dirty line goes home; 4 KiB follow. Binds it first when MEM_WB_BIND is set. */
#define OP_MEM_WRITEBACK PROTO_OP(PROTO_CLASS_MEM, 14)
struct mem_writeback {
	struct proto_line line;
	le64_t seq;
	proto_as_t as;      /* with MEM_WB_BIND */
	le64_t addr;
	le32_t flags;
	le32_t reserved;
};
#define MEM_WB_BIND 1u

/*
 * msync(MS_SYNC): mem_range. The files that are mapped shared in the range are on their disks when
 * this is answered; the caller's dirty lines of them came home before. -ENOMEM: a gap.
 */
#define OP_MEM_SYNC PROTO_OP(PROTO_CLASS_MEM, 20)

/*
 * Several misses at once, asked for before the program is there: of the pages addr + 4096 * k those
 * whose bit k is set in wanted. The mComponent writes their lines to mr, from off on, one behind
 * the other (one-sided), and answers when they are there: a mem_fill_reply for each page wanted, in
 * order. One without MEM_FILL_DATA was not written (fresh, not mapped, not to be had at once); who
 * needs such a page asks for it by MEM_FILL. Nothing is changed.
 */
#define OP_MEM_FILL_MANY PROTO_OP(PROTO_CLASS_MEM, 22)
#define MEM_MANY 16 /* pages in a message: one transfer, and one in nobody's way */
struct mem_fill_many {
	proto_as_t as;
	le64_t addr;        /* page aligned */
	le32_t wanted;
	le32_t reserved;
	struct proto_mr mr;
	le64_t off;
};
static_assert(sizeof(struct mem_fill_many) == 48, "wire layout");

/*
 * What is mapped from addr to addr + len, clipped to it, for the copy of another mComponent:
 * mem_range -> mem_areas_reply. When there are more than fit, next says where to go on.
 */
#define OP_MEM_AREAS PROTO_OP(PROTO_CLASS_MEM, 21)
struct mem_area {
	le64_t start, end;
	le32_t prot;
	le32_t flags;       /* MEM_AREA_* */
};
#define MEM_AREA_SHARED 1u
#define MEM_AREA_ELSEWHERE 2u /* shared, or of a file */
struct mem_areas_reply {
	le64_t next;        /* 0: these are all */
	le32_t n;
	le32_t pages;       /* not 0: the space has private pages in the range here */
	struct mem_area area[];
};
#define MEM_AREAS_MAX 128

/*
 * Several write-backs at once. Their lines were written one-sided to the given piece of what HELLO
 * lent (a piece is MEM_MANY lines), in order, and have arrived; the piece is free again with the
 * reply. Each is stored or not as if it had come alone. Reply: n le32, 0 or the errno of each.
 */
#define OP_MEM_WRITEBACK_MANY PROTO_OP(PROTO_CLASS_MEM, 23)
struct mem_writeback_many {
	le32_t n;           /* at most MEM_MANY */
	le32_t piece;
	struct mem_writeback line[];
};
