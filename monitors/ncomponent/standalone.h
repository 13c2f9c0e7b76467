/* SPDX-License-Identifier: GPL-2.0-only */
/* The stack without a rack: "standalone" on the command line. */
#pragma once

/* Serves echo (7), discard (9) and chargen (19) on eth.dev; comes back only with an error. */
int standalone_main(void);
