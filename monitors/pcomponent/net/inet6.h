/* SPDX-License-Identifier: GPL-2.0-only */
/* AF_INET6 sockets: names, the port space of IPv6-only ones, options. */
#pragma once

#include "net/stub.h"

/*
 * The IPv4 name that this struct sockaddr_in6 stands for. binds: for bind(), else to send or
 * connect to. 0, -EINVAL, -EAFNOSUPPORT, -EADDRNOTAVAIL, -ENETUNREACH, -ECONNREFUSED.
 */
int inet6_name(struct stub *s, const void *addr, size_t len, bool binds, struct sock_name *out);
/* n as an AF_INET6 socket shows it: writes a struct sockaddr_in6, gives its size. */
size_t inet6_show(const struct stub *s, struct sock_name n, void *out);

/* bind() of an IPv6-only socket, which no Proxy knows. 0 or -EADDRINUSE. */
int inet6_claim(struct stub *s, uint32_t ip, uint16_t port);
void inet6_release(struct stub *s);
static inline bool inet6_only(const struct stub *s)
{
	return s->inet6 && s->opts.v6only;
}

int inet6_setopt(struct stub *s, int name, int v);
bool inet6_getopt(const struct stub *s, int name, int *v);
