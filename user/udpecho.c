// SPDX-License-Identifier: GPL-2.0-only
/*
 * udpecho serve PORT COUNT: sends COUNT datagrams back to where they came from.
 * udpecho probe IP PORT: lengths up to the longest to a server that sends back; then its errors.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static char out[70000], in[70000];

static int serve(int port, int count)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (bind(s, (struct sockaddr *)&a, sizeof(a))) {
		perror("bind");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (count--) {
		socklen_t len = sizeof(a);
		ssize_t n = recvfrom(s, in, sizeof(in), 0, (struct sockaddr *)&a, &len);

		if (n < 0 || sendto(s, in, (size_t)n, 0, (struct sockaddr *)&a, len) != n) {
			perror("echo");
			return 1;
		}
	}
	return 0;
}

static int connected(const char *ip, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct timeval tv = { 5, 0 };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, ip, &a.sin_addr);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (connect(s, (struct sockaddr *)&a, sizeof(a)))
		perror("connect");
	return s;
}

static int probe(const char *ip, int port)
{
	static const size_t len[] = { 0, 1, 2, 100, 1471, 1472, 1473, 2952, 2953, 9000, 30000,
		65507 };
	int s = connected(ip, port);

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 13 + i / 249);
	for (size_t i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
		if (send(s, out, len[i], 0) != (ssize_t)len[i])
			perror("send");
		memset(in, 0, sizeof(in));
		ssize_t n = recv(s, in, sizeof(in), 0);

		printf("%zu %zd %s\n", len[i], n,
		       n >= 0 && !memcmp(in, out, (size_t)n) ? "same" : strerror(errno));
		fflush(stdout);
	}
	close(s);
	s = connected(ip, port + 1);
	if (send(s, out, 1, 0) != 1)
		perror("send");
	ssize_t n = recv(s, in, 1, 0);

	printf("closed port: %zd %s\n", n, strerror(errno));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "serve"))
		return serve(atoi(argv[2]), atoi(argv[3]));
	if (argc == 4 && !strcmp(argv[1], "probe"))
		return probe(argv[2], atoi(argv[3]));
	return 2;
}
