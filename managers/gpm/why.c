// SPDX-License-Identifier: GPL-2.0-only
/* The sentences of gpm_why(): what, and where. */
#include "gpm/why.h"

#include <kern/types.h>

static const struct {
	int err;
	const char *why;
} table[] = {
	{ ENOENT, "%s: not found on the file system (asked for by %s, looked up on %s)" },
	{ EACCES, "%s: may not be executed (%s, file system of %s)" },
	{ ENOEXEC, "%s: not an ELF executable for x86-64 (%s, file system of %s)" },
	{ ELIBBAD, "%s: dynamically linked, and only static programs run (%s, file system of %s)" },
	{ EISDIR, "%s: is a directory (%s, file system of %s)" },
	{ ENOTDIR, "%s: a part of the path is not a directory (%s, file system of %s)" },
	{ ENOMEM, "%s: no memory on %s or %s" },
	{ E2BIG, "%s: arguments and environment are too long for %s (%s)" },
	{ EAGAIN, "%s: %s has no room for another process (home %s)" },
	{ EHOSTDOWN, "%s: %s or %s went down while it started" },
	{ ETIMEDOUT, "%s: %s did not answer in time (home %s)" },
	{ ENOSYS, "%s: %s cannot start programs (home %s)" },
};

const char *gpm_why(int err)
{
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].err == -err)
			return table[i].why;
	return "%s: could not be started on %s with memory on %s";
}
