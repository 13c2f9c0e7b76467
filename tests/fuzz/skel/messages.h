/* SPDX-License-Identifier: GPL-2.0-only */
/* What A's messages are made of: most of it may well be carried out. */
#pragma once

#include "../fuzz.h"
#include "world.h"

enum { DMA = 1, READS = 2 };
extern uint8_t options;        /* of this input */
extern uint64_t incarnation;   /* A's last */

/* Somebody's handle; *s when it is a living skeleton of A's, else NULL. */
struct sock_handle pick(struct input *in, struct skel **s);
uint32_t some_ip(struct input *in);
uint16_t some_port(struct input *in);
uint32_t some_size(struct input *in);
/* A count that is right, or somewhat off, or nonsense. */
uint64_t some_count(struct input *in, uint64_t right);
/* The message of this operation; its length. Room for 128 bytes. */
size_t fill(struct input *in, uint16_t op, uint8_t *out);
