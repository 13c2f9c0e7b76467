// SPDX-License-Identifier: GPL-2.0-only
/* resolve NAME [SERVICE]...: what the C library finds, sorted; one line for each name. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void one(const char *name)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *list, *a;
	char text[64][INET_ADDRSTRLEN];
	size_t n = 0;
	int err = getaddrinfo(name, NULL, &hints, &list);

	if (err) {
		printf("%s: %s\n", name, gai_strerror(err));
		return;
	}
	for (a = list; a && n < 64; a = a->ai_next)
		inet_ntop(AF_INET, &((struct sockaddr_in *)a->ai_addr)->sin_addr, text[n++],
			  sizeof(text[0]));
	freeaddrinfo(list);
	qsort(text, n, sizeof(text[0]), by_text);
	printf("%s:", name);
	for (size_t i = 0; i < n; i++)
		printf(" %s", text[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		one(argv[i]);
	return 0;
}
