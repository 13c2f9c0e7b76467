// SPDX-License-Identifier: GPL-2.0-only
/* The sentences of gpm_why(): what, and where. */
#include "gpm/why.h"

#include <kern/string.h>

/* A board comes into the sentence where '@' (the mComponent) or '#' (the pComponent) stands. */
static const struct {
	int err;
	const char *why;
} table[] = {
	{ ENOENT, "not found on @'s file system" },
	{ EACCES, "not an executable file (on @'s file system)" },
	{ ENOEXEC, "not an ELF executable for x86-64 (on @'s file system)" },
	{ ELIBBAD, "its interpreter (PT_INTERP) is no program for x86-64 (on @'s file system)" },
	{ EISDIR, "a directory (on @'s file system)" },
	{ ENOTDIR, "a part of the path is not a directory (on @'s file system)" },
	{ ELOOP, "too many symbolic links (on @'s file system)" },
	{ ENAMETOOLONG, "the path is too long (for @'s file system)" },
	{ ENOMEM, "no memory for it on @ or #" },
	{ E2BIG, "its arguments and environment are too long for #" },
	{ EAGAIN, "# has no room for another process" },
	{ EHOSTDOWN, "# or @ went down while it was started" },
	{ ETIMEDOUT, "# did not answer in time" },
	{ ENOSYS, "# cannot start programs" },
};

static const char *why(int err)
{
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].err == -err)
			return table[i].why;
	return "could not be started on # with memory on @";
}

void gpm_why(char *buf, size_t size, int err, const char *program, const char *pcomponent,
	     const char *mcomponent)
{
	size_t n = KMIN((size_t)snprintf(buf, size, "%.100s: ", program), size - 1);

	for (const char *s = why(err); *s && n < size - 1; s++) {
		const char *board = *s == '@' ? mcomponent : *s == '#' ? pcomponent : NULL;

		if (board)
			n += KMIN((size_t)snprintf(buf + n, size - n, "%s", board), size - 1 - n);
		else
			buf[n++] = *s;
	}
	buf[n] = '\0';
}
