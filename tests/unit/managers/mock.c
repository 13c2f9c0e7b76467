// SPDX-License-Identifier: GPL-2.0-only
/* The verbs of FIT's own tests, here too. */
#include "../fit/rpc/mock_verbs.c"
