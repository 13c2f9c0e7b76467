/* SPDX-License-Identifier: GPL-2.0-only */
/* For tests of what lives in a loop with a thread of its own: to do things there, and to wait. */
#pragma once

#include <kern/loop.h>

/* The test's; it makes it. */
extern struct loop *loop;

/* Runs fn there; the test fails when that takes 20 s. */
void in_loop(void (*fn)(void));
/* Waits until cond, asked there, is true; the test fails when that takes 20 s. */
#define until(cond) until_(cond, #cond)
void until_(bool (*cond)(void), const char *what);
