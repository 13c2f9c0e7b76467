/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fit/verbs.h inside one process, without packets: what FIT's tests stand on, with faults on
 * demand.
 */
#pragma once

#include <fit/verbs.h>

/* A board's device; found by others under ip. */
struct rdma_dev *mock_dev_create(uint32_t ip, struct loop *loop);
/* All queue pairs between the two boards fail, as after too many retries. */
void mock_break(uint32_t ip_a, uint32_t ip_b);
/* While set: what ip sends is executed, but its completions are lost; mock_break() flushes them. */
void mock_lose_acks(uint32_t ip, bool lose);
/* While set: nothing that ip posts is executed. */
void mock_hold(uint32_t ip, bool hold);
/* Connection attempts to ip are not answered. */
void mock_unplug(uint32_t ip, bool unplugged);
