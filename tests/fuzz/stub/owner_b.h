/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets at nComponent B: a listener, a connection, a datagram socket. B sends nothing while
 * others do, so they must stay as they are.
 */
#pragma once

#include "net/stub.h"

#define B_SOCKETS 3

void b_start(void);
struct sock_handle b_handle(unsigned i);
/* Panics unless all is as b_start() left it. */
void b_check(void);
/* B sends a record, and the program reads it. */
void b_talk(void);
void b_end(void);
