/* SPDX-License-Identifier: GPL-2.0-only */
/* Random bytes (RDRAND or virtio-rng seeding a ChaCha20 generator). Any context. */
#pragma once

#include <kern/types.h>

void random_bytes(void *buf, size_t n);
uint64_t random_u64(void);
/* Mixes bytes from a hardware source into the generator. */
void random_add_entropy(const void *buf, size_t n);
