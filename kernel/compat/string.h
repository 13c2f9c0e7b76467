/* SPDX-License-Identifier: GPL-2.0-only */
/* For headers of the C world (uthash, tree.h) that ask for <string.h>. */
#pragma once
#include <kern/string.h>
