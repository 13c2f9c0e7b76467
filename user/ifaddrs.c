// SPDX-License-Identifier: GPL-2.0-only
/* ifaddrs: what getifaddrs() and if_nametoindex() of the C library find. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>

int main(void)
{
	struct ifaddrs *list, *i;
	char text[INET_ADDRSTRLEN];

	if (getifaddrs(&list)) {
		perror("getifaddrs");
		return 1;
	}
	for (i = list; i; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
			continue;
		inet_ntop(AF_INET, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, text,
			  sizeof(text));
		printf("%s %u %s", i->ifa_name, if_nametoindex(i->ifa_name), text);
		inet_ntop(AF_INET, &((struct sockaddr_in *)i->ifa_netmask)->sin_addr, text,
			  sizeof(text));
		printf(" %s%s\n", text, i->ifa_flags & IFF_UP ? " up" : "");
	}
	freeifaddrs(list);
	return 0;
}
