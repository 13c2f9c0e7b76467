/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For cases over sockets: the peer outside (peer.py) and the address of this machine as it sees it.
 * The control connection is descriptor CONTROL and is made by the first ask().
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include "abi.h"

#define CONTROL 60
#define SA(a) (struct sockaddr *)&(a), sizeof(a)
#define ANY htonl(INADDR_ANY)
#define LOOP htonl(INADDR_LOOPBACK)

/* Tells the peer; its answer, which stays until the next. Prints nothing. */
const char *ask(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same for answers that are a port. */
int ask_port(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Tells the peer and prints command (its format only) and answer. */
#define PEER(fmt, ...) say("peer %s: %s", fmt, ask(fmt, ##__VA_ARGS__))

uint32_t peer_ip(void);
uint32_t my_ip(void);
const char *my_ip_text(void);
struct sockaddr_in addr(uint32_t ip, int port);
int port_of(int fd);
/* "what: ADDRESS PORT", the address as me, peer, any, loopback, the port as 0 or some */
void say_addr(const char *what, const struct sockaddr_in *a, socklen_t len);
void say_name(int fd);
void say_peer(int fd);

int tcp(void);
int udp(void);
/* A listening socket of ours on an ephemeral port of the wildcard address. */
int listener(int backlog);
/* A connected pair: ours, and the peer's under the name "c". */
int connected(void);
/* The same, accepted by us from a listener of ours. */
int accepted(void);

/* Waits until poll shows one of these events, or 5 s; the revents. */
int await(int fd, short events);
/* Waits until so many bytes can be read. */
void await_bytes(int fd, int n);
/* Waits until the peer has acknowledged everything. */
void await_sent(int fd);
void say_mask(const char *what, int fd);
/* The pending error of a socket. */
int so_error(int fd);
void fill(char *buf, size_t n);
bool filled(const char *buf, size_t n);
