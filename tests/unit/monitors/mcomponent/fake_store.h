/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A scripted sComponent with a tree in memory, and the manager's GSM. Calls wait in a queue until
 * they are delivered; a call takes effect when it is.
 */
#pragma once

#include <proto/store.h>
#include <stdbool.h>
#include <stdint.h>

struct fnode {
	uint64_t ino, version, size, mtime, atime;
	uint32_t mode, nlink, uid, gid, handles;
	uint8_t *data;
	char *target;
	struct fname *names;
};
struct fname {
	struct fnode *node;
	uint64_t cookie;
	struct fname *next;
	char name[256];
};

extern struct fake {
	struct fnode *root, *host;
	uint64_t capacity, used;    /* bytes */
	unsigned fail_in;           /* that call from now on fails with fail_err; 0: none does */
	int fail_err;
	uint16_t fail_op;           /* only such calls count; 0: all */
	bool shuffle;               /* delivered in random order */
	unsigned calls, of[32];     /* delivered, by number of the operation */
	unsigned handles;           /* given and not taken back */
	unsigned expected;          /* sComponents */
	bool no_root;
	unsigned misuse;            /* calls that no mComponent may make */
} fake;

#define FAKE_NODE 5

void fake_init(void);            /* installs itself as the way to the sComponent */
bool fake_deliver(void);         /* one call; false: none waits */
unsigned fake_waiting(void);
void fake_die(void);             /* ends all calls; handles are void */
struct fnode *fake_find(struct fnode *dir, const char *name);
struct fnode *fake_make(struct fnode *dir, const char *name, uint32_t mode, const char *text);
void fake_write(struct fnode *n, const char *text); /* by somebody else */
void fake_empty(struct fnode *dir);
void fake_remove(struct fnode *dir, const char *name);
