/* SPDX-License-Identifier: GPL-2.0-only */
/* The name space. See mount.c. */
#pragma once

#include "fs.h"

void mount_init(struct loop *loop);
/*
 * 0: it is there. JOB_PARKED: it is being put together, and the job that runs now waits for that.
 */
int mount_ready(void);
/* The archive as the root: without an sComponent, and for tests. */
int mount_memory_root(void);
void mount_store_up(void);   /* an sComponent came (back) */
void mount_retry(void);      /* the timer's; tests have none */
