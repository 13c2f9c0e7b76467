/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of the stub against scripted skeletons (fake.h) share: a core made once, what is
 * there before and after each test, sockets in the usual states, calls without a program.
 */
#pragma once

#include <linux/eventpoll.h>

#include "fake.h"

#define WINDOW SOCK_WINDOW_DEFAULT
#define IN (EPOLLIN | EPOLLRDNORM)
#define OUT (EPOLLOUT | EPOLLWRNORM)

extern const struct stub_owner owner;

/* Of the group. */
int rig_up(void **state);
int rig_begin(void **state);
/* Both nComponents die: after that nothing of the test may be alive. */
int rig_end(void **state);
#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_begin, rig_end)

struct stub *make(void);
struct stub *listener(struct sock_handle *h);
/* A connection, established by connect(). */
struct stub *connected(struct sock_handle *h);
ssize_t_k send_bytes(struct stub *s, const void *data, uint64_t n, unsigned flags);
ssize_t_k recv_bytes(struct stub *s, void *data, uint64_t n, unsigned flags);
/* What the last message of this operation, SHUTDOWN or CLOSE, said. */
const struct sock_end *last_end(uint16_t op);
/* The record of the i-th transfer that is not yet completed. */
struct sock_record *record_at(unsigned i);
