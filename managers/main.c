// SPDX-License-Identifier: GPL-2.0-only
/* The manager board. */
#define LOG_SUBSYS "manager"
#include <kern/log.h>

#include "manager.h"

void board_main(void); /* called by kernel/main.c */

void board_main(void)
{
	struct board *b;
	int err = board_start(ROLE_MANAGER, &b);

	if (!err)
		err = manager_start(b);
	if (!err)
		err = board_join(b);
	if (err) {
		log_err("cannot start: error %d", err);
		board_exit(BOARD_EXIT_CONFIG);
	}
}
