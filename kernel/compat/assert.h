/* SPDX-License-Identifier: GPL-2.0-only */
/* assert() for utlist.h and for lwIP's port. static_assert is C11's keyword. */
#pragma once
#include <kern/log.h>
#define assert(cond) kassert(cond)
#ifndef static_assert
#define static_assert _Static_assert
#endif
