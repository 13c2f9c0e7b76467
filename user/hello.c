// SPDX-License-Identifier: GPL-2.0-only
/* The first program: arguments, environment, ids, output. */
#include <sys/auxv.h>
#include <sys/utsname.h>

#include "check.h"

int main(int argc, char **argv)
{
	struct utsname u;

	CHECK(uname(&u) == 0);
	CHECK(getauxval(AT_PAGESZ) == 4096);
	CHECK(argc >= 1 && argv[argc] == NULL);
	printf("hello from %s, pid %d, %d arguments", u.nodename, getpid(), argc - 1);
	for (int i = 1; i < argc; i++)
		printf(" [%s]", argv[i]);
	printf("\n");
	return argc > 1 && !strcmp(argv[1], "fail") ? 7 : 0;
}
