/* SPDX-License-Identifier: GPL-2.0-only */
/* What <bsd/sys/tree.h> needs of <sys/cdefs.h>. */
#pragma once
#ifndef __unused
#define __unused __attribute__((unused))
#endif
#define __BEGIN_DECLS
#define __END_DECLS
