/* SPDX-License-Identifier: GPL-2.0-only */
/* A pComponent's requests for files, for tests. All return the status. */
#pragma once

#include <proto/file.h>
#include "ops.h"

#define P 3 /* the pComponent that calls */

int f_path(uint16_t op, const char *path); /* unlink, rmdir */
int f_stat(const char *path, struct file_attr *out);
int f_make(uint16_t op, const char *path, uint32_t mode);
int f_two(uint16_t op, const char *a, const char *b);
int f_open(const char *path, uint32_t oflags, uint64_t *object);
void f_close(uint64_t object);
int f_write(uint64_t object, uint64_t off, const void *data, size_t n); /* any n */
int f_read(uint64_t object, uint64_t index, uint8_t *page);
int f_truncate(uint64_t object, uint64_t size);
int f_getattr(uint64_t object, struct file_attr *out);
int f_fsync(uint64_t object);
int f_setattr(const char *path, uint32_t valid, uint32_t mode, uint64_t mtime);
/* All names of a directory, sorted by nobody, each followed by a space. */
int f_list(const char *path, char *out, size_t size);
int f_getpath(const char *path, char *out, size_t size);
