/* SPDX-License-Identifier: GPL-2.0-only */
/* The exports of this board and their registration. */
#pragma once

#include <kern/loop.h>
#include "handle.h"

/* Opens them; -ENODEV: there is none. Thread context, before the board joins. */
int __must_check export_init(void);
unsigned export_count(void);
struct export *export_find(const char *name);
/* From now on GSM knows them. In the fabric loop, once the board has joined. */
int __must_check export_register(struct fit *fit, struct loop *loop);
