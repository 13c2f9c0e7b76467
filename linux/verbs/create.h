/* SPDX-License-Identifier: GPL-2.0-only */
/* This provider's constructor. */
#pragma once

#include <fit/verbs.h>

/*
 * The RDMA device that has address cfg->ip on its network interface; cfg->netdev is NULL and the
 * path MTU follows the interface. The reason of a failure is logged.
 */
struct rdma_dev *ibverbs_create(const struct rdma_dev_config *cfg, int *err);
