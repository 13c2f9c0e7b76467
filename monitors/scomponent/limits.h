/* SPDX-License-Identifier: GPL-2.0-only */
/* Every limit of the sComponent, with unit and reason. */
#pragma once

#define STORE_WORKERS 16        /* requests under way; less than the tags of a 9P channel */
#define STORE_JOBS_MAX 4096     /* requests that wait: more than all windows of a rack */
#define STORE_HANDLES_MAX (1u << 20) /* inodes that mComponents may hold; a fid each at the host */
#define STORE_INO_BUCKETS 4096  /* a power of two */
#define STORE_OPEN_LOCKS 64     /* a power of two; handles that are opened at the same moment */
#define STORE_OWNERS_MAX 100000 /* owners kept for an export: 6 MiB */
