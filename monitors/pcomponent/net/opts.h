/* SPDX-License-Identifier: GPL-2.0-only */
/* What setsockopt() and getsockopt() share. */
#pragma once

#include "net/stub.h"

#define CONGESTION "reno" /* what lwIP does */

struct int_opt {
	uint16_t level, name;
	uint16_t at;          /* in struct stub_opts */
	bool truth;           /* any value but 0 is 1 */
	bool forward;
	int min, max;
};
/* The row of an option of one int, or NULL; where its value is. */
const struct int_opt *opt_find_int(const struct stub *s, int level, int name);
int *opt_int_at(struct stub *s, const struct int_opt *o);
