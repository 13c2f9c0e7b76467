// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gathers "key=value" words for cmdline_get(), and finds the fabric address in the GID table of
 * RoCE devices.
 */
#include "words.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "linux.h"

static char line[4096];
static size_t len;

int words_add(const char *key, const char *value)
{
	int n = snprintf(line + len, sizeof(line) - len, "%s%s%s%s", len ? " " : "", key,
			 value ? "=" : "", value ? value : "");

	if (n < 0 || (size_t)n >= sizeof(line) - len)
		return -1;
	len += (size_t)n;
	return 0;
}

void words_use(void)
{
	linux_set_cmdline(line);
}

/* An IPv4-mapped GID: 0000:0000:0000:0000:0000:ffff:0a4d:0002. */
static int ip_of_gid(const char *path, char *buf, size_t n)
{
	unsigned hi, lo;
	FILE *f = fopen(path, "r");
	int got;

	if (!f)
		return -1;
	got = fscanf(f, "0000:0000:0000:0000:0000:ffff:%4x:%4x", &hi, &lo);
	fclose(f);
	if (got != 2)
		return -1;
	snprintf(buf, n, "%u.%u.%u.%u", hi >> 8, hi & 255, lo >> 8, lo & 255);
	return 0;
}

int words_own_ip(char *buf, size_t n)
{
	int found = -1;
	glob_t g;

	if (glob("/sys/class/infiniband/*/ports/1/gids/*", 0, NULL, &g))
		return -1;
	for (size_t i = 0; i < g.gl_pathc && found; i++)
		found = ip_of_gid(g.gl_pathv[i], buf, n);
	globfree(&g);
	return found;
}
