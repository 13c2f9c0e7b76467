// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is there room on the disk? Linux tells a writer at write(2) when there is none, so this board,
 * which writes behind, has to know beforehand: from the store's last answer to STATFS it takes off
 * what has become dirty since. As long as more than MARGIN is left, nobody waits; else writers wait
 * for their bytes to be written.
 */
#include <kern/timer.h>
#include "sfs.h"
#include "wb.h"

#define MARGIN (16ULL << 20)
#define ASK_NS NSEC_PER_SEC         /* as long as there is much */
#define ASK_SHORT_NS (50 * NSEC_PER_MSEC)

int room_for(struct fs *fs, uint64_t n)
{
	uint64_t need = fs->taken + n + MARGIN;
	bool plenty = fs->stat_ns && fs->avail > need;

	if (clock_mono_ns() > fs->stat_ns + (plenty ? ASK_NS : ASK_SHORT_NS) || !fs->stat_ns)
		sfs_statfs_ask(fs);
	return plenty ? 0 : 1;
}

void room_take(struct fs *fs, uint64_t n)
{
	fs->taken += n;
	fs->taken_next += n;
}
