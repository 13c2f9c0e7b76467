/* SPDX-License-Identifier: GPL-2.0-only */
/* Inodes and names of all file systems. See inode.c, dir.c, data.c. */
#pragma once

#include <kern/types.h>
#include <proto/file.h>
#include <sys/queue.h>
#include <uthash.h>
#include "fs.h"
#include "page.h"

#define NAME_LEN_MAX 255

struct inode;
struct dirent {
	struct inode *dir;     /* referenced while inode is set */
	struct inode *inode;   /* NULL: known not to exist (stores only) */
	uint64_t cookie;       /* in memory: ascending in a directory, never reused */
	uint64_t checked_ns;   /* stores: when the sComponent last said so */
	bool busy;             /* a lookup or a change is on its way; others wait here: */
	bool mount;            /* inode is another file system's root; stays */
	bool listed;           /* in dir->entries */
	bool unused;           /* in the list of negative names */
	struct waitlist wait;
	TAILQ_ENTRY(dirent) order; /* dir->entries, or the negative names, oldest first */
	LIST_ENTRY(dirent) alias;  /* of inode->aliases */
	UT_hash_handle hh;
	char name[];           /* hash key */
};
TAILQ_HEAD(dirent_list, dirent);

struct inode {
	uint64_t ino, object;  /* this mComponent's number of it */
	struct fs *fs;
	uint32_t mode, nlink, uid, gid;
	/* opens, mappings, names in it, subdirectories, calls on their way, dirty pages */
	uint32_t refs;
	uint64_t size, version, rdev;
	uint64_t atime_ns, mtime_ns, ctime_ns;
	UT_hash_handle hh;
	LIST_HEAD(, dirent) aliases; /* names that show it */
	struct page_list pages; /* regular files */
	/* directories */
	struct inode *parent;  /* referenced, but for the root's own */
	struct dirent *names;
	struct dirent_list entries; /* in memory: all; of a store: mount points it does not have */
	uint64_t next_cookie;
	char *target;          /* symbolic links; of a store: once it was asked for */
	/* of a store */
	uint64_t handle, store_ino, store_version, blocks;
	uint32_t life;         /* of the sComponent that gave the handle */
	uint64_t attr_ns;      /* when the attributes were last known to be the store's; 0: never */
	uint64_t own_seq;      /* counts our changes' beginnings and ends */
	unsigned own;          /* changes on their way */
	bool asking;           /* GETATTR or READLINK on its way; others wait here: */
	bool adopt;            /* the next attributes' version is by our own changes */
	bool busy;             /* SETATTR on its way: nothing is written back meanwhile */
	struct waitlist wait;
	uint64_t store_key;    /* hash key of hh_store, when hashed */
	bool hashed;
	UT_hash_handle hh_store;
	TAILQ_ENTRY(inode) lru; /* no references, but names */
	bool on_lru;
	uint64_t idle_ns;      /* far.c: since when it is on the list */
	/* written back by wb.c */
	TAILQ_HEAD(, page) dirty; /* in order of getting dirty */
	unsigned ndirty, writing; /* pages; WRITEs on their way */
	bool on_wb, flush;     /* in the list of those with dirty pages; to be written now */
	bool mtime_ours;       /* the store's mtime has to be set to ours when all is written */
	bool unsynced;         /* written since the last FSYNC; in a list: */
	TAILQ_ENTRY(inode) to_sync;
	uint64_t dirty_ns;     /* since when */
	uint32_t err_seq;      /* counts write errors */
	int err;               /* the last */
	TAILQ_ENTRY(inode) wb;
	struct waitlist wb_wait;  /* for its pages to be written */
	uint64_t ra_next;      /* where a sequential reader goes on */
};

int inode_init(void);
struct inode *inode_root(void);
void inode_set_root(struct inode *i);
struct inode *inode_by_object(uint64_t wire); /* no reference taken; NULL: unknown */
/* One reference, nlink 0. NULL: no memory. */
struct inode *inode_create(struct fs *fs, uint32_t mode, uint32_t uid, uint32_t gid);
void inode_get(struct inode *i);
void inode_put(struct inode *i);
void inode_free_far(struct inode *i); /* far.c's */
void inode_settle(struct inode *i); /* frees it or lists it as unused when nothing refers to it */
void inode_set_parent(struct inode *i, struct inode *dir);
void inode_attr(const struct inode *i, struct file_attr *out);
/* Contents or attributes changed now. */
void inode_touch(struct inode *i, bool contents);
unsigned inode_count(void);
void inode_drop_unused(void); /* all that are only kept because they may be wanted again */
static inline bool inode_is_store(const struct inode *i)
{
	return fs_is_store(i->fs);
}

/* ---- dir.c ---- */
struct dirent *dir_find(struct inode *dir, const char *name, size_t len);
/* A name with nothing behind it. NULL: no memory. */
struct dirent *dirent_make(struct inode *dir, const char *name, size_t len);
/* What the name shows; may free it and its directory. */
void dirent_set(struct dirent *e, struct inode *inode);
/* Makes an unused name go. */
void dirent_free(struct dirent *e);
/* In memory. */
int dir_add(struct inode *dir, const char *name, size_t len, struct inode *child);
void dir_remove(struct inode *dir, struct dirent *e);
/* Each name shows what the other did. */
void dir_exchange(struct dirent *a, struct dirent *b);
int dir_move(struct inode *from, struct dirent *e, struct inode *to, const char *name, size_t len);
void dir_drop_unused(void); /* names that show nothing */
bool dir_empty(const struct inode *dir);
/* A name that is already there shows root from now on, in its place. */
void dirent_mount(struct dirent *e, struct inode *root, bool exists);
/* An inode goes: its (unused) names, or the names that show it. */
void dir_forget_names(struct inode *dir);
void inode_forget_aliases(struct inode *i);

/* ---- data.c: contents ---- */
/*
 * The page of a file, with its bytes; *out NULL: all zero. 0, -errno or JOB_PARKED. The caller has
 * checked that index is within the size.
 */
int inode_page(struct inode *i, uint64_t index, struct page **out);
/* Bytes written, or -ENOMEM, -ENOSPC, -EFBIG, JOB_PARKED. */
ssize_t_k inode_write(struct inode *i, uint64_t off, const void *data, size_t n);
/* Bytes read (0 at the end), or -errno, JOB_PARKED (server.h) among them. */
ssize_t_k inode_read(struct inode *i, uint64_t off, void *buf, size_t n);
/* A line that was written in a mapping. 0 or -ENOMEM. */
int inode_store_line(struct inode *i, uint64_t index, const void *data, uint64_t seq);
int inode_truncate(struct inode *i, uint64_t size); /* in memory */
/* The size as it is now; drops what lies behind. */
void inode_cut(struct inode *i, uint64_t size);
