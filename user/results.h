/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For programs whose output is compared with that of the same program on Linux: each call is
 * printed with its result or the name of its errno.
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void say(const char *what, long ret)
{
	int e = errno;

	if (ret < 0)
		printf("%-60s -1 %s\n", what, strerrorname_np(e));
	else
		printf("%-60s %ld\n", what, ret);
	fflush(stdout);
}
#define T(call) (errno = 0, say(#call, (long)(call)))

static struct sockaddr_in addr(uint32_t ip, int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(ip) };
}
#define SA(a) (struct sockaddr *)&(a), sizeof(a)
