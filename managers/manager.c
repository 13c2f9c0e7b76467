// SPDX-License-Identifier: GPL-2.0-only
/* Starts the managers in the order in which they need each other. */
#include "manager.h"

#include "gmm/gmm.h"
#include "gnm/gnm.h"
#include "gpm/gpm.h"
#include "gsm/gsm.h"
#include "member/members.h"

int manager_start(struct board *b)
{
	int err = gmm_start(b);

	if (!err)
		err = gnm_start(b);
	if (!err)
		err = gsm_start(b);
	if (!err)
		err = gpm_start(b);
	return err ? err : members_start(b); /* last: now boards may come */
}
