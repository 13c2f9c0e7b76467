/* SPDX-License-Identifier: GPL-2.0-only */
/* For headers of the C world that ask for <stdio.h>: there are no streams, only formatting. */
#pragma once
#include <kern/string.h>
