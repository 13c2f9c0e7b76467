// SPDX-License-Identifier: GPL-2.0-only
/*
 * fit-managers: the managers of a rack as a program on a Linux machine with an RDMA device: the
 * same sources as the board manager, whose command line it takes as its arguments. Ends as a board
 * ends: its exit status is what a machine would have ended with.
 */
#include <kern/board.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../board/words.h"

static const char usage[] =
	"usage: fit-managers [KEY=VALUE]...\n"
	"The managers of a rack (GPM, GMM, GNM, GSM, membership) as a program.\n\n"
	"  name=manager      its name in the rack\n"
	"  fabric.ip=A       its address: that of an RDMA device (default: the first device's)\n"
	"  ctl.dev=FILE      channel of scripts/rack, a virtio-serial port (default: none)\n"
	"  log=info          err, warn, info or debug\n"
	"  heartbeat_ms=N    how often boards say that they live (default 1000)\n"
	"  net.policy=WORD   spread, pack or pin\n"
	"  gsm.expected=N    sComponents of the rack (default 0)\n"
	"Words that another program or board understands are left alone. Needs librdmacm1 and\n"
	"ibverbs-providers, and memory that may be locked (ulimit -l).\n";

int main(int argc, char **argv)
{
	bool named = false, addressed = false;
	char ip[32];

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			fputs(usage, stdout);
			return 0;
		}
		named = named || !strncmp(argv[i], "name=", 5);
		addressed = addressed || !strncmp(argv[i], "fabric.ip=", 10);
		if (words_add(argv[i], NULL))
			goto too_long;
	}
	if (!named && words_add("name", "manager"))
		goto too_long;
	if (!addressed && !words_own_ip(ip, sizeof(ip)) && words_add("fabric.ip", ip))
		goto too_long;
	words_use();
	board_main();
	for (;;)
		pause();
too_long:
	fputs("fit-managers: the words are too long together\n", stderr);
	return 2;
}
