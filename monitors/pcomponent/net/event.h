/* SPDX-License-Identifier: GPL-2.0-only */
/* Events from skeletons: checked in event.c, carried out beside what they change. Loop context. */
#pragma once

#include "net/stub.h"

#define ERRNO_MAX 133 /* EHWPOISON, the highest of Linux */

void accept_event(struct leg *l, struct stub *s, const struct sockevt_accept *m);
void connect_event(struct leg *l, struct stub *s, const struct sockevt_connected *m);
/* A socket that nobody has seen yet, or whose queue is dropped: RST; consumes the reference. */
void stub_abort(struct stub *s);
